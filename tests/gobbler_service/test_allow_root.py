"""Projects on another disk, which the registry has links to."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.service import Gobbler, Service
from support.tree import Link, make

VERSION = {"project": "p", "asset": "a", "version": "v"}


def upload(gobbler: Gobbler, project: str, version: str, tree: Any, **more: Any) -> Any:
    source = Path(gobbler.staging, f"source-{project}-{version}")
    make(source, tree)
    names = {"project": project, "asset": "a", "version": version, "source": source.name}
    return gobbler.request("upload", {**names, **more})


def done(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return make(tmp_path / "disk", {})


@pytest.fixture
def service(tmp_path: Path, disk: Path) -> Service:
    """A service, not running, with the projects `p`, which was moved to the disk, and `q`."""
    service = Service(tmp_path)
    with service:
        for project in ("p", "q"):
            done(service.gobbler.request("create_project", {"project": project}))
            done(upload(service.gobbler, project, "v", {"f": project, "d/g": "deep"}))
    shutil.move(service.registry / "p", disk / "moved")
    (service.registry / "p").symlink_to(disk / "moved")
    return service


def test_without_the_flag_the_link_is_refused_and_told(service: Service, disk: Path) -> None:
    with service:
        gobbler = service.gobbler
        for action in ("delete_project", "refresh_usage", "validate_version", "delete_version"):
            answer = gobbler.request(action, VERSION)
            assert answer.status == 403, action
            assert "a link that leads out of the registry" in answer.reason
            assert "allow-root" in answer.reason
        assert upload(gobbler, "p", "w", {"f": "new"}).status == 403
        assert gobbler.get("/fetch/p/a/v/f").status == 404
        assert gobbler.get("/list?path=p").json() == []
    assert (disk / "moved/a/v/f").read_text() == "p"
    with pytest.raises(FileNotFoundError):
        (disk / "moved/a/w").stat()


def test_with_the_flag_it_is_a_project_like_others(service: Service, disk: Path) -> None:
    service.flags += ["-allow-root", str(disk.parent / "none"), "-allow-root", str(disk)]
    with service:
        gobbler = service.gobbler
        assert gobbler.get("/list").json() == ["..LOCK", "..LOCK_NEWDIR", "..logs/", "p/", "q/"]
        assert "p/a/v/f" in gobbler.get("/list?recursive=true").json()
        assert gobbler.get("/list?path=p/a/v").json() == ["..manifest", "..summary", "d/", "f"]
        assert gobbler.get("/fetch/p/a/v/f").body == b"p"
        links = {
            "f": "p",
            "there": Link(f"{service.registry}/q/a/v/d/g"),
            "same": Link(f"{service.registry}/p/a/v/d/g"),
        }
        done(upload(gobbler, "p", "w", links))
        done(upload(gobbler, "q", "w", {"back": Link(f"{service.registry}/p/a/v/f")}))
        for project in ("p", "q"):
            version = {"project": project, "asset": "a", "version": "w"}
            done(gobbler.request("validate_version", version))
            done(gobbler.request("reindex_version", version))
            done(gobbler.request("validate_version", version))
        texts = {path: gobbler.get(f"/fetch/{path}").body for path in ("p/a/w/f", "q/a/w/back")}
        assert set(texts.values()) == {b"p"}
        for name in ("there", "same"):
            assert gobbler.get(f"/fetch/p/a/w/{name}").body == b"deep"
        assert (disk / "moved/a/w/f").resolve() == disk / "moved/a/v/f"
        assert done(gobbler.request("refresh_usage", VERSION))["total"] == len("p" + "deep")
        doomed = {"to_delete": [{"project": "q", "asset": "a", "version": "v"}]}
        changes = done(gobbler.request("reroute_links", doomed))["changes"]
        assert [change["path"] for change in changes] == ["p/a/w/there"]
        done(upload(gobbler, "p", "x", {"f": "other"}, on_probation=True))
        done(gobbler.request("approve_probation", {**VERSION, "version": "x"}))
        done(gobbler.request("delete_version", {**VERSION, "version": "x"}))
        done(gobbler.request("delete_project", {"project": "p"}))
        assert gobbler.get("/list").json() == ["..LOCK", "..LOCK_NEWDIR", "..logs/", "q/"]
    assert list(disk.iterdir()) == []


def test_only_what_lies_in_the_allowed_directory_counts(service: Service, tmp_path: Path) -> None:
    other = make(tmp_path / "other", {"x/a/v/f": "secret"})
    (service.registry / "x").symlink_to(other / "x")
    (service.registry / "root").symlink_to(tmp_path / "disk")
    service.flags += ["-allow-root", str(tmp_path / "disk")]
    with service:
        for project in ("x", "root"):
            answer = service.gobbler.request("delete_project", {"project": project})
            assert answer.status == 403
        assert service.gobbler.get("/fetch/x/a/v/f").status == 404
    assert (other / "x/a/v/f").exists()
