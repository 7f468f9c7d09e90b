"""Links out of the registry: a whitelist names places, whatever is written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.service import Gobbler, Service
from support.tree import Link, make


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make(
        tmp_path / "place",
        {
            "file": "content",
            "folder/file": "deep",
            "inner": Link("folder/file"),
            "absolute": Link(str(tmp_path / "place/file")),
            "bad": Link(str(tmp_path / "secret")),
            "relative": Link("../secret"),
            "chain": Link("bad"),
            "elsewhere": Link(".."),
        },
    )


@pytest.fixture
def service(serve: Callable[..., Service], tmp_path: Path, place: Path) -> Gobbler:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "whitelist").write_text(f"{place}\n")
    gobbler = serve(flags=["-durable=false", "-whitelist", str(tmp_path / "whitelist")]).gobbler
    assert gobbler.request("create_project", {"project": "p"}).status == 200
    return gobbler


def upload(service: Gobbler, target: Path) -> tuple[int, str]:
    make(Path(service.staging, "source"), {})
    link = Path(service.staging, "source", "link")
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    names = {"project": "p", "asset": "a", "version": "v", "source": "source"}
    answer = service.request("upload", names)
    return answer.status, answer.body.decode()


@pytest.mark.parametrize("name", ["file", "folder/file", "inner", "absolute"])
def test_what_lies_there_can_be_linked_to(service: Gobbler, place: Path, name: str) -> None:
    assert upload(service, place / name)[0] == 200
    content = place.joinpath(name).read_bytes()
    assert service.read("p", "a", "v", "..manifest")["link"]["size"] == len(content)
    assert service.get("/fetch/p/a/v/link").body == content
    version = {"project": "p", "asset": "a", "version": "v"}
    for action in ("validate_version", "reindex_version"):
        assert service.request(action, version).status == 200


@pytest.mark.parametrize("name", ["bad", "relative", "chain", "elsewhere/secret"])
def test_a_link_there_that_leads_out_counts_for_nothing(
    service: Gobbler, place: Path, name: str
) -> None:
    status, text = upload(service, place / name)
    assert status == 500
    assert "leads out of the whitelisted directory" in text
    assert not service.path("p", "a").exists()


@pytest.mark.parametrize("action", ["validate_version", "reindex_version"])
def test_a_file_there_that_becomes_a_link_out_is_not_read(
    service: Gobbler, place: Path, action: str
) -> None:
    assert upload(service, place / "file")[0] == 200
    (place / "file").unlink()
    (place / "file").symlink_to("../secret")
    before = service.read("p", "a", "v", "..manifest")
    version = {"project": "p", "asset": "a", "version": "v"}
    assert service.request(action, version).status == 500
    assert service.read("p", "a", "v", "..manifest") == before
    assert service.get("/fetch/p/a/v/link").status == 404
