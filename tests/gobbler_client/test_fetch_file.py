from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import Gobbler
from support.tree import Tree

Build = Callable[[Tree], str]
PATH = "test/sample/v1/deep/b.txt"


def test_a_local_file_is_its_path_in_the_registry(sample: Gobbler) -> None:
    assert pyg.fetch_file(PATH, **sample.local) == os.path.join(sample.registry, PATH)
    missing = "test/sample/v1/nope"
    assert pyg.fetch_file(missing, **sample.local) == os.path.join(sample.registry, missing)


def test_a_remote_file_lands_in_the_cache(sample: Gobbler, remote: dict[str, Any]) -> None:
    path = pyg.fetch_file(PATH, **remote)
    assert path.startswith(remote["cache"])
    assert path.endswith("/REGISTRY/" + PATH)
    assert Path(path).read_text() == "beta"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_the_default_cache_is_in_the_users_data(sample: Gobbler) -> None:
    path = pyg.fetch_file(PATH, **sample.remote)
    assert path.startswith(os.path.join(os.environ["XDG_DATA_HOME"], "gobbler"))


def test_a_cached_file_is_used_until_overwritten(sample: Gobbler, remote: dict[str, Any]) -> None:
    path = Path(pyg.fetch_file(PATH, **remote))
    path.write_text("foo")
    assert pyg.fetch_file(PATH, **remote) == str(path)
    assert path.read_text() == "foo"
    assert pyg.fetch_file(PATH, **remote, overwrite=True) == str(path)
    assert path.read_text() == "beta"


@pytest.mark.parametrize("also", [[], ["..manifest"], ["..manifest", "..summary"]])
def test_a_file_that_a_power_failure_has_emptied_is_fetched_again(
    sample: Gobbler, remote: dict[str, Any], also: list[str]
) -> None:
    path = Path(pyg.fetch_file(PATH, **remote))
    for lost in (path, *(path.parents[1] / name for name in also)):
        os.truncate(lost, 0)
    assert pyg.fetch_file(PATH, **remote) == str(path)
    assert path.read_text() == "beta"


def test_a_file_of_a_rejected_and_repeated_version_is_not_stale(
    sample: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    names = ("test", "sample", "v2")
    for text in ("first", "other"):
        pyg.upload_directory(*names, source({"x": text}), probation=True, **sample.writer)
        assert Path(pyg.fetch_file("test/sample/v2/x", **remote)).read_text() == text
        pyg.reject_probation(*names, **sample.writer)


def test_a_missing_file_is_an_error_and_leaves_nothing(
    sample: Gobbler, remote: dict[str, Any]
) -> None:
    with refused(404):
        pyg.fetch_file("test/sample/v1/nope", **remote)
    assert [path for path in Path(remote["cache"]).rglob("nope*")] == []


def test_a_damaged_registry_file_is_refused(sample: Gobbler, remote: dict[str, Any]) -> None:
    sample.path(PATH).write_text("BETA")
    with pytest.raises(ValueError, match="MD5"):
        pyg.fetch_file(PATH, **remote)
    assert [path for path in Path(remote["cache"]).rglob("b.txt")] == []


def test_cache_hits_are_verified_on_request(
    sample: Gobbler,
    remote: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = Path(pyg.fetch_file(PATH, **remote))
    path.write_text("BETA")
    monkeypatch.setenv("SELENITE_VERIFY", "always")
    pyg.fetch_file(PATH, **remote)
    assert path.read_text() == "beta"
    assert caplog.messages == [f"{path} differs from its manifest"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hostname",
        "test/../../x",
        "..",
        "../x",
        "test/sample/v1/..",
        "test//sample",
        "test/\0",
        "",
    ],
)
def test_paths_that_leave_the_registry_are_refused(
    sample: Gobbler, fetcher: dict[str, Any], path: str
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        pyg.fetch_file(path, **fetcher)
    assert not Path(fetcher["cache"]).exists() or list(Path(fetcher["cache"]).rglob("*x")) == []


def test_internal_files_can_be_fetched(sample: Gobbler, fetcher: dict[str, Any]) -> None:
    assert Path(pyg.fetch_file("test/..usage", **fetcher)).read_text().startswith("{")
