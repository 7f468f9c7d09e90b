"""Gobbler services for tests: `selenite.testing.GobblerServer`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from selenite.testing import GobblerServer
from support.errors import refused
from support.service import exchange


@pytest.fixture(scope="module")
def server() -> Iterator[GobblerServer]:
    """A service of all tests here, as users make one."""
    with GobblerServer() as running:
        yield running


def test_it_works_with_all_that_the_client_does(server: GobblerServer, tmp_path: Path) -> None:
    writer: dict[str, Any] = {"staging": server.staging, "url": server.url}
    pyg.create_project("p", **writer)
    (tmp_path / "f").write_text("content")
    pyg.upload_directory("p", "a", "v", str(tmp_path), **writer)
    for force_remote in (False, True):
        path = pyg.fetch_file(
            "p/a/v/f",
            registry=server.registry,
            url=server.url,
            cache=str(tmp_path / "cache"),
            force_remote=force_remote,
        )
        assert Path(path).read_text() == "content"


def test_there_may_be_several(server: GobblerServer) -> None:
    with GobblerServer(admins=["somebody"], prefix="/inner/") as other:
        assert other.url.endswith("/inner")
        assert other.url != server.url
        assert pyg.service_info(other.url)["registry"] == other.registry
        with refused(403):
            pyg.create_project("p", staging=other.staging, url=other.url)
    assert pyg.service_info(server.url)["staging"] == server.staging


def test_what_was_made_for_it_goes_and_what_was_given_stays(tmp_path: Path) -> None:
    given = GobblerServer(tmp_path / "in/staging", tmp_path / "registry")
    with given:
        assert (given.staging, given.registry) == (
            str(tmp_path / "in/staging"),
            str(tmp_path / "registry"),
        )
        assert Path(given.staging).stat().st_mode & 0o1000
        with pytest.raises(RuntimeError, match="already"):
            given.start()
    assert sorted(os.listdir(tmp_path)) == ["in", "registry"]
    made = GobblerServer()
    with made:
        places, url = [made.staging, made.registry], made.url
        assert all(Path(place).is_dir() for place in places)
    assert not any(Path(place).exists() for place in places)
    assert made.staging == made.registry == ""
    with pytest.raises(ConnectionRefusedError):
        exchange(url, "GET", "/info")
    # Once more, with fresh directories.
    with made:
        assert pyg.service_info(made.url)["staging"] == made.staging


def test_projects_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "disk/p").mkdir(parents=True)
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry/p").symlink_to(tmp_path / "disk/p")
    with GobblerServer(registry=tmp_path / "registry", allow_roots=tmp_path / "disk") as server:
        assert exchange(server.url, "GET", "/list?path=p").json() == []
        assert "p/" in exchange(server.url, "GET", "/list").json()


def test_bad_settings_are_errors_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        GobblerServer(whitelist=tmp_path / "missing").start()
    with pytest.raises(ValueError, match="-concurrency"):
        GobblerServer(concurrency=0).start()
    with pytest.raises(ValueError, match="concurency"):
        GobblerServer(concurency=1).start()
    with pytest.raises(TypeError, match="`admins`"):
        GobblerServer(admins=7)  # type: ignore[arg-type]
