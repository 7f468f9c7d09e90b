"""Many clients at once."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from support import workers
from support.service import Gobbler, Service, wait_until
from support.tree import Manifest, Tree, make, md5, read, total

CLIENTS = 32
PROCESSES = 8
Job = tuple[str, str, str, str, str]


@pytest.fixture
def gobbler(serve: Callable[..., Service]) -> Gobbler:
    """A service with the project `test`."""
    place = serve().gobbler
    pyg.create_project("test", **place.writer)
    return place


@pytest.fixture
def processes() -> Iterator[Any]:
    """Some clients in processes of their own."""
    pool = multiprocessing.get_context("spawn").Pool(PROCESSES)
    yield pool
    pool.terminate()
    pool.join()


def at_once(jobs: list[Job], processes: Any) -> list[str]:
    """Upload all at once, a quarter of them from other processes; returns the refusals."""
    ours, theirs = jobs[:-PROCESSES], jobs[-PROCESSES:]
    start = threading.Barrier(len(ours) + 1)

    def run(job: Job) -> str:
        start.wait(60)
        return workers.upload(job)

    with ThreadPoolExecutor(len(ours)) as threads:
        waiting = threads.map(run, ours)
        others = processes.map_async(workers.upload, theirs, 1)
        start.wait(60)
        return [*waiting, *others.get(120)]


def manifests(gobbler: Gobbler, asset: str) -> dict[str, Manifest]:
    versions = pyg.list_versions("test", asset, **gobbler.local)
    return {version: gobbler.read("test", asset, version, "..manifest") for version in versions}


def usage_is_right(gobbler: Gobbler) -> None:
    counted = sum(
        total(manifest)
        for asset in pyg.list_assets("test", **gobbler.local)
        for manifest in manifests(gobbler, asset).values()
    )
    assert pyg.fetch_usage("test", **gobbler.local) == counted
    assert pyg.refresh_usage("test", **gobbler.writer) == counted


@pytest.fixture
def directories(tmp_path: Path) -> list[str]:
    """One directory per client: a file in common, and some of its own."""
    return [
        str(
            make(
                tmp_path / f"client-{number}",
                {"common": "common", "own": f"{number}", "x/big": bytes([number]) * 300_000},
            )
        )
        for number in range(CLIENTS)
    ]


def test_one_project_takes_an_asset_of_every_client(
    gobbler: Gobbler, directories: list[str], processes: Any
) -> None:
    jobs = [
        (f"asset-{number}", "v", directory, gobbler.staging, gobbler.url)
        for number, directory in enumerate(directories)
    ]
    assert at_once(jobs, processes) == [""] * CLIENTS
    for asset, _, directory, _, _ in jobs:
        pyg.validate_version("test", asset, "v", **gobbler.writer)
        assert read(gobbler.path("test", asset, "v")) == read(Path(directory))
        assert pyg.fetch_latest("test", asset, **gobbler.local) == "v"
    usage_is_right(gobbler)
    assert os.listdir(gobbler.staging) == []


def test_one_asset_takes_a_version_of_every_client(
    gobbler: Gobbler, directories: list[str], processes: Any
) -> None:
    jobs = [
        ("asset", f"v{number}", directory, gobbler.staging, gobbler.url)
        for number, directory in enumerate(directories)
    ]
    assert at_once(jobs, processes) == [""] * CLIENTS
    found = manifests(gobbler, "asset")
    assert len(found) == CLIENTS
    for version in found:
        pyg.validate_version("test", "asset", version, **gobbler.writer)
    assert sum("link" not in manifest["common"] for manifest in found.values()) == 1
    usage_is_right(gobbler)
    # The last one to be written is the latest: no other version links to its own file.
    latest = pyg.fetch_latest("test", "asset", **gobbler.local)
    targets = {
        manifest["common"]["link"]["version"]
        for manifest in found.values()
        if "link" in manifest["common"]
    }
    assert targets == set(found) - {latest}


def test_exactly_one_client_wins_a_version(
    gobbler: Gobbler, directories: list[str], processes: Any
) -> None:
    jobs = [("asset", "v", directory, gobbler.staging, gobbler.url) for directory in directories]
    answers = at_once(jobs, processes)
    assert answers.count("") == 1
    for answer in answers:
        assert answer == "" or answer.startswith('400: version "v" already exists in ')
    winner = directories[answers.index("")]
    assert read(gobbler.path("test", "asset", "v")) == read(Path(winner))
    pyg.validate_version("test", "asset", "v", **gobbler.writer)
    assert pyg.fetch_latest("test", "asset", **gobbler.local) == "v"
    usage_is_right(gobbler)
    assert os.listdir(gobbler.staging) == []


def test_uploads_removals_and_reads_at_once(gobbler: Gobbler, directories: list[str]) -> None:
    """Readers never see half a version, and the sums are right in the end."""
    end = threading.Event()

    def live(number: int) -> None:
        for turn in range(4):
            names = ("test", f"asset-{number}", f"v{turn}")
            pyg.upload_directory(*names, directories[number], **gobbler.writer)
            if turn % 2:
                pyg.remove_version(*names, **gobbler.writer)

    def watch() -> int:
        seen = 0
        while not end.is_set():
            for path in gobbler.path("test").glob("asset-*/v*"):
                try:
                    manifest = json.loads((path / "..manifest").read_text())
                    contents = {name: md5((path / name).read_bytes()) for name in manifest}
                except (FileNotFoundError, NotADirectoryError):
                    # Removed meanwhile, or moved aside to be removed.
                    assert int(path.name[1:]) % 2 == 1, path
                    continue
                assert contents == {name: entry["md5sum"] for name, entry in manifest.items()}
                seen += 1
        return seen

    with ThreadPoolExecutor(10) as threads:
        watching = [threads.submit(watch) for _ in range(2)]
        living = [threads.submit(live, number) for number in range(8)]
        try:
            for work in living:
                work.result()
        finally:
            end.set()
        assert all(work.result() > 0 for work in watching)
    for number in range(8):
        assert sorted(manifests(gobbler, f"asset-{number}")) == ["v0", "v2"]
        # Both may have finished in the same second; then the first name is taken.
        assert pyg.fetch_latest("test", f"asset-{number}", **gobbler.local) in ("v0", "v2")
    usage_is_right(gobbler)


def test_two_services_share_a_registry(
    serve: Callable[..., Service], tmp_path: Path, directories: list[str]
) -> None:
    first = serve("first")
    second = serve("second", registry=first.registry)
    pyg.create_project("test", **first.gobbler.writer)

    def run(number: int) -> str:
        place = (first, second)[number % 2].gobbler
        job = ("asset", f"v{number % 16}", directories[number], place.staging, place.url)
        return workers.upload(job)

    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(run, range(CLIENTS)))
    assert answers.count("") == 16
    assert len(manifests(first.gobbler, "asset")) == 16
    for version in manifests(first.gobbler, "asset"):
        pyg.validate_version("test", "asset", version, **second.gobbler.writer)
    usage_is_right(first.gobbler)


@pytest.mark.parametrize(
    ("lock", "shared"), [("..LOCK", False), ("test/..LOCK", False), ("test/asset/..LOCK", True)]
)
def test_locks_of_another_instance_are_respected(
    gobbler: Gobbler, directories: list[str], lock: str, shared: bool
) -> None:
    pyg.upload_directory("test", "asset", "v0", directories[0], **gobbler.writer)
    job = ("asset", "v1", directories[1], gobbler.staging, gobbler.url)
    path = gobbler.path(lock)
    assert path.exists()
    with path.open("a") as file, ThreadPoolExecutor(1) as thread:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        waiting = thread.submit(workers.upload, job)
        wait_until(
            lambda: list(Path(gobbler.staging).glob("request-upload-*")), "the request is sent"
        )
        with pytest.raises(TimeoutError):
            waiting.result(0.5)
        assert pyg.list_versions("test", "asset", **gobbler.local) == ["v0"]
        fcntl.flock(file, fcntl.LOCK_UN)
        assert waiting.result(30) == ""
    pyg.validate_version("test", "asset", "v1", **gobbler.writer)


def test_a_busy_asset_does_not_hold_up_the_others(gobbler: Gobbler, directories: list[str]) -> None:
    pyg.upload_directory("test", "busy", "v0", directories[0], **gobbler.writer)
    job = ("busy", "v1", directories[1], gobbler.staging, gobbler.url)
    with gobbler.path("test", "busy", "..LOCK").open("a") as file, ThreadPoolExecutor(1) as thread:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = thread.submit(workers.upload, job)
        wait_until(
            lambda: list(Path(gobbler.staging).glob("request-upload-*")), "the request is sent"
        )
        pyg.upload_directory("test", "free", "v0", directories[2], **gobbler.writer)
        assert not waiting.done()
        fcntl.flock(file, fcntl.LOCK_UN)
        assert waiting.result(30) == ""


def test_few_workers_serve_many_clients(
    serve: Callable[..., Service], directories: list[str], processes: Any
) -> None:
    gobbler = serve("narrow", flags=["-durable=false", "-concurrency", "1"]).gobbler
    pyg.create_project("test", **gobbler.writer)
    jobs = [
        (f"asset-{number}", "v", directory, gobbler.staging, gobbler.url)
        for number, directory in enumerate(directories)
    ]
    assert at_once(jobs, processes) == [""] * CLIENTS
    usage_is_right(gobbler)


def test_a_big_directory_with_many_files(gobbler: Gobbler, tmp_path: Path) -> None:
    tree: Tree = {f"d{number % 40}/e{number % 7}/f{number}": f"{number}" for number in range(4000)}
    directory = make(tmp_path / "wide", tree)
    pyg.upload_directory("test", "wide", "v", str(directory), **gobbler.writer)
    assert len(manifests(gobbler, "wide")["v"]) == 4000
    pyg.validate_version("test", "wide", "v", **gobbler.writer)
    usage_is_right(gobbler)
