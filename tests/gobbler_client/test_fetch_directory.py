"""`fetch_directory` and `version_path`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.proxy import Fault, between
from support.service import Gobbler
from support.tree import EMPTY, SAMPLE, Link, Node, Tree, everything, read

Build = Callable[[Tree], str]
VERSION = "test/sample/v1"


def as_bytes(tree: Tree) -> dict[str, Any]:
    return {
        name: node.encode() if isinstance(node, str) else node
        for name, node in sorted(tree.items())
    }


def test_a_local_directory_is_its_path_in_the_registry(sample: Gobbler) -> None:
    assert pyg.fetch_directory(VERSION, **sample.local) == os.path.join(sample.registry, VERSION)
    missing = pyg.fetch_directory("test/nope", **sample.local)
    assert missing == os.path.join(sample.registry, "test/nope")


def test_a_remote_directory_lands_in_the_cache_complete(
    sample: Gobbler, remote: dict[str, Any]
) -> None:
    path = pyg.fetch_directory(VERSION, **remote)
    assert path.startswith(remote["cache"])
    assert path.endswith("/REGISTRY/" + VERSION)
    assert read(Path(path)) == as_bytes(SAMPLE)
    here = read(Path(path), internal=True)
    assert here == read(sample.path(VERSION), internal=True)
    base = Path(path).parents[3]
    marks = [path for path in (base / "SUCCESS").rglob("*") if path.is_file()]
    assert marks == [base / "SUCCESS" / VERSION / "....OK"]
    assert list((base / "TEMP").glob("*")) == []


# Of another client, or emptied by a power failure; or of before that.
MARKS = pytest.mark.parametrize("mark", ["", "another run of the system"])


@MARKS
@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("part", ["", "/deep"])
def test_a_complete_directory_that_a_power_failure_has_cut_is_fetched_again(
    sample: Gobbler, remote: dict[str, Any], mark: str, least: int, part: str
) -> None:
    folder = Path(pyg.fetch_directory(VERSION, **remote))
    whole = read(folder, internal=True)
    within = [path for path in Path(f"{folder}{part}").rglob("*") if path.is_file()]
    for file in within:
        if least == 0 or not file.name.startswith(".."):
            os.truncate(file, max(file.stat().st_size - 1, 0) * least)
    pyg.fetch_directory(VERSION + part, **remote)
    if least:
        assert read(folder, internal=True) != whole, "in the same run nobody looks"
    note = folder.parents[3] / "SUCCESS" / VERSION / "....OK"
    noted = note.read_text()
    note.write_text(mark)
    pyg.fetch_directory(VERSION + part, **remote)
    assert read(folder, internal=True) == whole
    assert note.read_text() == noted


@MARKS
def test_of_a_complete_directory_nobody_is_asked_though_it_is_looked_at(
    sample: Gobbler, remote: dict[str, Any], monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    folder = Path(pyg.fetch_directory(VERSION, **remote))
    changed = folder / "a.txt"
    changed.write_text("somebody's own, and longer")
    note = folder.parents[3] / "SUCCESS" / VERSION / "....OK"
    noted = note.read_text()
    note.write_text(mark)
    monkeypatch.setenv("SELENITE_OFFLINE", "1")
    assert pyg.fetch_directory(VERSION, **remote) == str(folder)
    assert changed.read_text() == "somebody's own, and longer"
    assert note.read_text() == noted


def test_files_follow_the_umask(sample: Gobbler, remote: dict[str, Any]) -> None:
    path = pyg.fetch_directory(VERSION, **remote)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in Path(path).rglob("*.txt")}
    assert modes == {0o644}


def test_a_version_is_fetched_by_its_names(sample: Gobbler, remote: dict[str, Any]) -> None:
    local = pyg.version_path("test", "sample", "v1", **sample.local)
    assert local == os.path.join(sample.registry, "test", "sample", "v1")
    fetched = pyg.version_path("test", "sample", "v1", **remote, concurrent=2)
    assert fetched.endswith(VERSION)
    assert read(Path(fetched)) == as_bytes(SAMPLE)


def test_a_complete_directory_is_not_looked_at_again(
    sample: Gobbler, remote: dict[str, Any]
) -> None:
    path = pyg.fetch_directory(VERSION, **remote)
    changed = Path(path, "a.txt")
    changed.write_text("mine")
    assert pyg.fetch_directory(VERSION, **remote) == path
    assert changed.read_text() == "mine"
    assert pyg.fetch_directory(VERSION, **remote, overwrite=True) == path
    assert changed.read_text() == "alpha"


def test_overwriting_prunes_what_is_gone(sample: Gobbler, remote: dict[str, Any]) -> None:
    path = pyg.fetch_directory(VERSION, **remote)
    sample.path(VERSION, "a.txt").unlink()
    pyg.reindex_version("test", "sample", "v1", **sample.writer)
    Path(path, "deep", "stray").write_text("stray")
    pyg.fetch_directory(VERSION, **remote, overwrite=True)
    assert sorted(read(Path(path))) == ["deep/b.txt", "deep/er/c.txt"]


def test_an_incomplete_directory_is_completed(sample: Gobbler, remote: dict[str, Any]) -> None:
    path = pyg.fetch_directory(VERSION, **remote)
    Path(path).parents[3].joinpath("SUCCESS", VERSION, "....OK").unlink()
    Path(path, "a.txt").unlink()
    pyg.fetch_directory(VERSION, **remote)
    assert read(Path(path)) == as_bytes(SAMPLE)


@pytest.mark.parametrize("where", ["test", "test/sample", "test/sample/v1/deep"])
def test_any_directory_can_be_fetched(sample: Gobbler, remote: dict[str, Any], where: str) -> None:
    path = pyg.fetch_directory(where, **remote)
    found = read(Path(path))
    assert found == read(sample.path(where))
    assert len(found) >= 2


def test_empty_directories_arrive(sample: Gobbler, remote: dict[str, Any], source: Build) -> None:
    tree: Tree = {"a/b": EMPTY, "c": "1"}
    pyg.upload_directory("test", "hollow", "v1", source(tree), **sample.writer)
    assert read(Path(pyg.fetch_directory("test/hollow/v1", **remote))) == as_bytes(tree)


def test_odd_names_arrive(sample: Gobbler, remote: dict[str, Any], source: Build) -> None:
    names = ["a b", "#", "?", "%41", "%zz", "+", "&=;", "'\"", "<>", "é", "日本", "a:b", "~", "\\"]
    tree: Tree = {f"{name}/{name}": name for name in names}
    pyg.upload_directory("test", "odd + %41", "#1", source(tree), **sample.writer)
    path = pyg.fetch_directory("test/odd + %41/#1", **remote)
    assert read(Path(path)) == as_bytes(tree)
    for name in names:
        one = pyg.fetch_file(f"test/odd + %41/#1/{name}/{name}", **remote, overwrite=True)
        assert Path(one).read_text() == name


def test_links_arrive_as_readable_files_that_share_their_content(
    sample: Gobbler, remote: dict[str, Any], source: Build
) -> None:
    tree: Tree = {"a.txt": "alpha", "own": "x" * 1000, "near": Link("own")}
    pyg.upload_directory("test", "sample", "v2", source(tree), **sample.writer)
    first = Path(pyg.fetch_directory(VERSION, **remote))
    second = Path(pyg.fetch_directory("test/sample/v2", **remote))
    assert read(second, follow=True) == {
        "a.txt": b"alpha",
        "near": b"x" * 1000,
        "own": b"x" * 1000,
    }
    assert (second / "near").stat().st_ino == (second / "own").stat().st_ino
    assert (second / "a.txt").stat().st_ino == (first / "a.txt").stat().st_ino


@pytest.mark.parametrize("concurrent", [1, 3])
def test_any_concurrency_gives_the_same_files(
    sample: Gobbler, remote: dict[str, Any], source: Build, concurrent: int
) -> None:
    tree: Tree = {f"d{number % 5}/f{number}": f"{number}" * number for number in range(50)}
    pyg.upload_directory("test", "many", "v1", source(tree), **sample.writer)
    path = pyg.fetch_directory("test/many/v1", **remote, concurrent=concurrent)
    assert read(Path(path)) == as_bytes(tree)


def test_a_damaged_registry_file_stops_it_before_it_is_marked_complete(
    sample: Gobbler, remote: dict[str, Any]
) -> None:
    sample.path(VERSION, "deep", "b.txt").write_text("BETA")
    with pytest.raises(ValueError, match="MD5"):
        pyg.fetch_directory(VERSION, **remote)
    cache = Path(remote["cache"])
    assert list(cache.rglob("b.txt")) == []
    assert list(cache.rglob("....OK")) == []


def test_a_probational_version_is_looked_at_again(
    sample: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    names = ("test", "sample", "v2")
    for tree in ({"x": "first", "old": "1"}, {"x": "other", "new": "2"}):
        pyg.upload_directory(*names, source(tree), probation=True, **sample.writer)
        path = pyg.fetch_directory("test/sample/v2", **remote)
        assert read(Path(path)) == as_bytes(tree)
        pyg.reject_probation(*names, **sample.writer)


def test_a_cache_of_the_original_is_used(sample: Gobbler, remote: dict[str, Any]) -> None:
    path = Path(pyg.fetch_directory(VERSION, **remote))
    for file in path.rglob("*"):
        if file.is_file():
            file.chmod(0o600)
    before = everything(Path(remote["cache"]))
    pyg.fetch_directory(VERSION, **remote)
    assert everything(Path(remote["cache"])) == before


def test_a_missing_directory_is_an_error(sample: Gobbler, remote: dict[str, Any]) -> None:
    with refused(500, "failed to obtain a directory listing; "):
        pyg.fetch_directory("test/nope", **remote)
    assert list(Path(remote["cache"]).rglob("....OK")) == []


def test_a_file_is_no_directory(sample: Gobbler, remote: dict[str, Any]) -> None:
    with pytest.raises(NotADirectoryError, match=r"a\.txt"):
        pyg.fetch_directory(VERSION + "/a.txt", **remote)


@pytest.mark.parametrize("path", ["/etc", "test/../..", "..", "test//sample", "\0", "test/.."])
def test_paths_that_leave_the_registry_are_refused(
    sample: Gobbler, fetcher: dict[str, Any], path: str
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        pyg.fetch_directory(path, **fetcher)


def test_many_small_files_come_in_one_answer_that_may_break_off(
    gobbler: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    tree: dict[str, Node] = {
        f"d{number % 3}/f{number:03}": f"{number}" * 50 for number in range(60)
    }
    tree["large"] = "x" * 100_000
    tree["d1/link"] = Link("f001")
    pyg.create_project("p", **gobbler.writer)
    pyg.upload_directory("p", "a", "v", source(tree), **gobbler.writer)

    def plan(method: str, path: str, times: int) -> Fault | None:
        is_first = path.endswith("?after=..summary&most=65536") and times == 0
        return Fault(reset="answer") if is_first else None

    with between(gobbler.url, plan) as proxy:
        path = pyg.fetch_directory("p/a/v", **{**remote, "url": proxy.url})
    found = read(Path(path))
    assert found == read(gobbler.path("p", "a", "v")) | {"d1/link": found["d1/f001"]}
    assert proxy.count("GET /archive/p/a/v?") == 2
    alone = {line.split("/")[-1] for line in proxy.asked if line.startswith("GET /fetch/")}
    assert alone == {"..manifest", "..summary", "..links", "large"}


def test_damaged_archives_and_files_beside_it_do_no_harm(
    gobbler: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    tree: Tree = {f"f{number:03}": f"{number}" * 50 for number in range(40)}
    pyg.create_project("p", **gobbler.writer)
    pyg.upload_directory("p", "a", "v", source(tree), **gobbler.writer)

    def plan(method: str, path: str, times: int) -> Fault | None:
        if not path.startswith("/archive/"):
            return None
        return Fault(body=lambda body: body.replace(b"7" * 50, b"8" * 50).replace(b"f008", b"../x"))

    with between(gobbler.url, plan) as proxy:
        path = pyg.fetch_directory("p/a/v", **{**remote, "url": proxy.url})
    assert read(Path(path)) == as_bytes(tree)
    assert sorted(Path(path).parent.iterdir()) == [Path(path)]
    assert proxy.count("GET /archive/") == 1
