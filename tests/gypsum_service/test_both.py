"""One registry with a Gobbler service and a gypsum service, at work at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pygobbler as pyg
import pytest
from support import gypsum
from support.gypsum import Api, entry
from support.service import Gobbler
from support.tree import Tree


@pytest.fixture
def both(gobbler: Gobbler) -> Iterator[Api]:
    """A gypsum service on the registry of a Gobbler service."""
    with gypsum.server(gobbler.registry) as running:
        yield gypsum.api(running)


@pytest.fixture
def shared(both: Api, gobbler: Gobbler, source: Callable[[Tree], str]) -> Api:
    """Two versions of `p/a`, made by Gobbler; the second one has links."""
    pyg.create_project("p", owners=["alice"], **gobbler.writer)
    for version in ("v1", "v2"):
        tree: Tree = {"same": "same", "d/own": version}
        pyg.upload_directory("p", "a", version, source(tree), **gobbler.writer)
    return both


def test_links_of_gobbler_are_links_and_no_objects(shared: Api) -> None:
    assert (shared.registry / "p/a/v2/same").is_symlink()
    assert shared.listed("p/a/v2/", recursive=True) == [
        "p/a/v2/..links",
        "p/a/v2/..manifest",
        "p/a/v2/..summary",
        "p/a/v2/d/own",
    ]
    assert shared.get("p/a/v2/same").status == 404
    assert shared.read("p/a/v2/..links")["same"]["version"] == "v1"
    assert shared.get("p/a/v2/d/own").body == b"v2"
    assert shared.admin("POST", "/refresh/usage/p").json() == {"total": 8}


def test_files_of_gobbler_are_linked_and_counted(shared: Api, gobbler: Gobbler) -> None:
    session = shared.session("p/a/v3", [entry("copy", b"same", "dedup"), entry("new", b"new")])
    assert [file["path"] for file in session.started["file_urls"]] == ["new"]
    assert session.put(b"new").status == 200
    assert session.complete().status == 200
    manifest = pyg.fetch_manifest("p", "a", "v3", **gobbler.remote)
    assert manifest["copy"]["link"]["ancestor"]["version"] == "v1"
    assert pyg.fetch_usage("p", **gobbler.remote) == 11
    assert pyg.fetch_latest("p", "a", **gobbler.remote) == "v3"
    assert pyg.refresh_usage("p", **gobbler.writer) == 11
    assert pyg.refresh_latest("p", "a", **gobbler.writer) == "v3"


def test_times_of_both_are_compared(shared: Api, gobbler: Gobbler) -> None:
    shared.upload("p/a/v3", {"x": b"1"}, on_probation=True)
    assert shared.admin("POST", "/probation/approve/p/a/v3").status == 200
    assert shared.read("p/a/..latest") == {"version": "v3"}
    assert shared.admin("DELETE", "/remove/p/a/v3").status == 200
    latest = shared.read("p/a/..latest")["version"]
    assert latest == pyg.refresh_latest("p", "a", **gobbler.writer)


def test_lock_files_of_gobbler_lock_nothing_and_stay(shared: Api) -> None:
    locks = sorted(path.name for path in (shared.registry / "p").glob("..LOCK*"))
    assert "..LOCK" in locks
    shared.upload("p/a/v3", {"x": b"1"})
    assert sorted(path.name for path in (shared.registry / "p").glob("..LOCK*")) == locks
    assert (shared.registry / "p/..LOCK").read_bytes() == b""


def test_both_work_on_one_project_at_once(
    shared: Api, gobbler: Gobbler, source: Callable[[Tree], str]
) -> None:
    def with_gobbler(number: int) -> None:
        tree: Tree = {"x": "gobbler" * number}
        pyg.upload_directory("p", "g", f"v{number}", source(tree), **gobbler.writer)

    def with_gypsum(number: int) -> None:
        shared.upload(f"p/s/v{number}", {"x": b"s" * number})

    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda work: [work(number) for number in range(1, 16)], [with_gobbler, with_gypsum]
            )
        )
    expected = 8 + sum(7 * number for number in range(1, 16)) + sum(range(1, 16))
    assert shared.read("p/..usage") == {"total": expected}
    assert shared.admin("POST", "/refresh/usage/p").json() == {"total": expected}
    assert pyg.refresh_usage("p", **gobbler.writer) == expected
    assert not [path for path in Path(shared.registry).rglob("..tmp-*")]
