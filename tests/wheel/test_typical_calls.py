"""Calls as people write them: type checkers accept them, and they work.

Paths are those of `pathlib` throughout, and names stand alone where several may be given.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import selenite
from gypsum_client.auth import TOKEN_CACHE
from selenite._arguments import utc_text
from selenite.testing import GypsumServer

VERSION = PurePosixPath("test/simple/v1")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[Path, Path, str]]:
    """A service as users start one, with its directories as paths."""
    new, staging, registry, url = pyg.start_gobbler(tmp_path / "staging", tmp_path / "registry")
    assert new
    yield Path(staging), Path(registry), url
    pyg.stop_gobbler()


def test_calls_of_pygobbler(started: tuple[Path, Path, str], tmp_path: Path) -> None:
    staging, registry, url = started
    directory, cache = tmp_path / "results", tmp_path / "cache"
    directory.mkdir()
    (directory / "a.txt").write_text("content")
    until = datetime(2030, 1, 2, tzinfo=UTC)
    bob = {"id": "bob"}
    pyg.create_project("test", staging, url, owners="alice", uploaders=[bob, {"id": "c"}])
    pyg.upload_directory("test", "simple", "v1", directory, staging, url)
    made: str = pyg.allocate_upload_directory(staging)
    assert Path(made).parent == staging

    # The registry can be read here, so that no URL is needed.
    assert pyg.list_projects(registry, None) == ["test"]
    assert pyg.list_assets("test", registry, None) == ["simple"]
    assert pyg.list_versions("test", "simple", registry, None) == ["v1"]
    files: list[str] = pyg.list_files("test", "simple", "v1", registry, None, Path("a"))
    assert files == ["a.txt"]
    manifest: dict[str, Any] = pyg.fetch_manifest("test", "simple", "v1", registry, None)
    assert manifest["a.txt"]["size"] == 7
    assert "upload_start" in pyg.fetch_summary("test", "simple", "v1", registry, None)
    assert pyg.fetch_usage("test", registry, None) == 7
    latest: str | None = pyg.fetch_latest("test", "simple", registry, None)
    assert latest == "v1"
    assert Path(pyg.fetch_file(VERSION / "a.txt", registry, None)).read_text() == "content"
    assert pyg.fetch_directory(VERSION, registry, None) == str(registry / VERSION)
    parts: dict[str, str | None] = pyg.unpack_path(VERSION / "a.txt")
    assert parts["path"] == "a.txt"
    pyg.clone_version("test", "simple", "v1", tmp_path / "clone", registry)

    # From the service.
    fetched = pyg.fetch_directory(VERSION, registry, url, cache, force_remote=True)
    assert Path(fetched).is_relative_to(cache)
    assert Path(pyg.fetch_file(VERSION / "a.txt", registry, url, cache, True)).exists()
    assert pyg.version_path("test", "simple", "v1", registry=registry, url=url)

    changed = pyg.set_permissions(
        "test", registry, staging, url, owners="bob", uploaders="carol", dry_run=True
    )
    assert changed == {"owners": ["alice", "bob"], "uploaders": [bob, {"id": "c"}, {"id": "carol"}]}
    timed: list[dict[str, object]] = [{"id": "d", "until": until, "trusted": True}]
    pyg.set_permissions("test", registry, staging, url, uploaders=timed, append=False)
    permissions: dict[str, Any] = pyg.fetch_permissions("test", registry, None)
    assert permissions["uploaders"] == [
        {"id": "d", "until": "2030-01-02T00:00:00Z", "trusted": True}
    ]
    assert timed[0]["until"] is until
    assert pyg.reroute_links({"project": "test"}, staging, url, dry_run=True) == []
    info: dict[str, str] = pyg.service_info(url)
    assert info["registry"] == str(registry)


def test_calls_of_gypsum_client(tmp_path: Path) -> None:
    directory, cache = tmp_path / "results", tmp_path / "cache"
    directory.mkdir()
    (directory / "a.txt").write_text("content")
    tokens = {"secret": "alice"}
    with GypsumServer(tmp_path / "registry", tokens, admins="alice") as server:
        url = server.url
        try:
            info: dict[str, Any] = gyp.set_access_token(
                "secret", github_url=server.github_url, cache_dir=cache
            )
            assert info["name"] == "alice"
            token: str = gyp.access_token(cache_dir=cache)
            held: dict[str, Any] = gyp.access_token(full=True, cache_dir=cache)
            assert held["token"] == token
            perhaps: str | None = gyp.access_token(request=False, cache_dir=cache)
            assert perhaps == token
        finally:
            TOKEN_CACHE.clear()
        gyp.create_project("test", "alice", {"id": "bob"}, url=url, token=token)
        gyp.set_permissions("test", owners="carol", uploaders="dan", url=url, token=token)
        until = datetime(2030, 1, 2, 3)
        timed = {"id": "eve", "until": until}
        gyp.set_permissions("test", uploaders=[timed], url=url, token=token)
        permissions: dict[str, Any] = gyp.fetch_permissions("test", url=url)
        assert permissions["owners"] == ["alice", "carol"]
        assert [one["id"] for one in permissions["uploaders"]] == ["bob", "dan", "eve"]
        assert permissions["uploaders"][2]["until"] == until
        gyp.upload_directory(directory, "test", "a", "v1", cache, url=url, token=token)
        described = {"path": Path("b"), "size": 0, "md5sum": "d41d8cd98f00b204e9800998ecf8427e"}
        target = {"to.project": "test", "to.asset": "a", "to.version": "v1"}
        link = {"from.path": Path("c"), "to.path": Path("a.txt"), **target}
        session = gyp.start_upload("test", "a", "v2", described, link, url=url, token=token)
        assert [place["path"] for place in session["file_urls"]] == ["b"]
        gyp.abort_upload(session, url)
        for files in (Path("a.txt"), (name for name in ["a.txt"])):
            session = gyp.start_upload(
                "test", "a", "v2", files, url=url, token=token, directory=directory
            )
            gyp.abort_upload(session, url)
        saved: str = gyp.save_file("test", "a", "v1", Path("a.txt"), cache, url=url)
        assert Path(saved).read_text() == "content"
        assert gyp.list_files("test", "a", "v1", Path("a"), url=url) == ["a.txt"]
        assert gyp.save_version("test", "a", "v1", cache, url=url)
        gyp.clone_version("test", "a", "v1", tmp_path / "clone", cache_dir=cache, url=url)
        prepared: dict[str, Any] = gyp.prepare_directory_upload(tmp_path / "clone", cache_dir=cache)
        assert len(prepared["links"]) == 1


class datetime64:  # noqa: N801 -- by this name numpy's times are known
    """A time of numpy, as far as it is used."""

    def __init__(self, item: object) -> None:
        self._item = item

    def astype(self, dtype: str) -> datetime64:
        assert dtype == "datetime64[us]"
        return self

    def item(self) -> object:
        return self._item


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2030, 1, 2, 3, 4, 5), "2030-01-02T03:04:05Z"),
        (datetime(2030, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2030-01-02T01:00:00Z"),
        (date(2030, 1, 2), "2030-01-02T00:00:00Z"),
        (datetime64(datetime(2030, 1, 2, 3)), "2030-01-02T03:00:00Z"),
        (datetime64(date(2030, 1, 2)), "2030-01-02T00:00:00Z"),
        ("2030-01-02T03:04:05+01:00", "2030-01-02T02:04:05Z"),
    ],
)
def test_times_of_every_kind(time: Any, text: str) -> None:
    assert utc_text(time, "until") == text


@pytest.mark.parametrize(
    ("time", "kind"),
    [
        (1893553445, TypeError),
        (None, TypeError),
        (datetime64(None), ValueError),
        ("soon", ValueError),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-2))), ValueError),
    ],
)
def test_what_is_no_time_is_named(time: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"`until` .*2030-12-31T23:59:59Z"):
        utc_text(time, "until")


def test_wrong_types_are_named_before_anything_is_asked(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    wrong: Any
    for wrong in (7, [7], b"alice", {"alice": 1}.items()):
        with pytest.raises(TypeError, match="`owners` should be a name or a list of names, not "):
            pyg.create_project("p", tmp_path, nowhere, owners=wrong)
        with pytest.raises(TypeError, match="`owners`"):
            pyg.set_permissions("p", tmp_path, tmp_path, nowhere, owners=wrong)
        with pytest.raises(TypeError, match="`owners`"):
            gyp.create_project("p", wrong, url=nowhere, token="t")
        with pytest.raises(TypeError, match="`owners`"):
            gyp.set_permissions("p", owners=wrong, url=nowhere, token="t")
    for wrong in (7, [7], [["id"]]):
        with pytest.raises(TypeError, match="`uploaders`"):
            pyg.create_project("p", tmp_path, nowhere, uploaders=wrong)
        with pytest.raises(TypeError, match="`uploaders`"):
            gyp.set_permissions("p", uploaders=wrong, url=nowhere, token="t")
        with pytest.raises(TypeError, match="`to_delete`"):
            pyg.reroute_links(wrong, tmp_path, nowhere)
        with pytest.raises(TypeError, match="`links`"):
            gyp.start_upload("p", "a", "v", [], wrong, url=nowhere, token="t")
    with pytest.raises(TypeError, match="`to_delete`"):
        pyg.reroute_links("project", tmp_path, nowhere)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="`path`"):
        pyg.unpack_path(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'path'"):
        pyg.fetch_file(7, tmp_path, None)  # type: ignore[arg-type]
    with pytest.raises(selenite.UnsafePathError):
        pyg.fetch_file(Path("/absolute"), tmp_path, None)
