"""Projects on another disk, which the registry has links to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import gypsum
from support.gypsum import Api, entry
from support.tree import make


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry whose project `p` was moved to another disk."""
    registry, disk = tmp_path / "registry", make(tmp_path / "disk", {})
    with gypsum.server(registry) as running:
        api = gypsum.api(running)
        for project in ("p", "q"):
            api.create(project)
            api.upload(f"{project}/a/v", {"d/f": b"content"})
    shutil.move(registry / "p", disk / "moved")
    (registry / "p").symlink_to(disk / "moved")
    return registry


def test_without_the_option_the_link_is_refused_and_told(registry: Path) -> None:
    with gypsum.server(registry) as running:
        api = gypsum.api(running)
        for method, path in [
            ("POST", "/refresh/usage/p"),
            ("DELETE", "/remove/p"),
            ("DELETE", "/remove/p/a/v"),
        ]:
            answer = api.admin(method, path)
            assert answer.status in (400, 403), answer.body
        assert api.listed() == ["..logs/", "q/"]
        assert api.get("p/a/v/d/f").status == 404
        assert "allow-root" in api.admin("DELETE", "/remove/p").reason
    assert (registry / "p/a/v/d/f").read_bytes() == b"content"


def test_with_the_option_it_is_a_project_like_others(registry: Path, tmp_path: Path) -> None:
    with gypsum.server(registry, allow_roots=[str(tmp_path / "disk")]) as running:
        api: Api = gypsum.api(running)
        assert api.listed() == ["..logs/", "p/", "q/"]
        assert "p/a/v/d/f" in api.all_keys()
        assert api.get("p/a/v/d/f").body == b"content"
        api.upload("p/a/w", {"d/f": b"newer"})
        session = api.session("p/a/x", [entry("d/f", b"newer", "dedup")])
        assert session.complete().status == 200
        assert (tmp_path / "disk/moved/a/w/d/f").read_bytes() == b"newer"
        assert api.admin("POST", "/refresh/usage/p").json() == {"total": 12}
        assert api.admin("DELETE", "/remove/p/a/w").status == 200
        assert api.admin("DELETE", "/remove/p").status == 200
        assert api.listed() == ["..logs/", "q/"]
    assert list((tmp_path / "disk").iterdir()) == []


def test_permissions_with_a_key_twice_are_read_as_everybody_reads_them(tmp_path: Path) -> None:
    with gypsum.server(tmp_path / "registry") as running:
        api = gypsum.api(running)
        api.create("p")
        text = '{"owners": ["bob"], "uploaders": [], "owners": ["alice"], "uploaders": null}'
        (api.registry / "p/..permissions").write_text(text)
        assert api.start("p/a/v", [], token="uploader-token").status == 403
        assert api.start("p/a/v", []).status == 200
