"""Processes made after the package was used work, and do not harm their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from support import workers
from support.service import Gobbler
from support.tree import SAMPLE, Tree


def in_processes(method: str, work: Callable[[Any], Any], arguments: list[Any]) -> list[Any]:
    """Map in processes made by this method; fails after 60 seconds."""
    with warnings.catch_warnings():
        # Newer Pythons warn about forking with threads, which is the point of this test.
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = multiprocessing.get_context(method).Pool(2)
        try:
            return pool.map_async(work, arguments).get(60)
        finally:
            pool.terminate()
            pool.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_fetch_after_the_parent_did(sample: Gobbler, tmp_path: Path, method: str) -> None:
    place = (sample.registry, sample.url)
    assert workers.fetch((*place, str(tmp_path / "parent"))) == SAMPLE
    arguments = [(*place, str(tmp_path / f"child-{number}")) for number in range(4)]
    assert in_processes(method, workers.fetch, arguments) == [SAMPLE] * 4
    assert workers.fetch((*place, str(tmp_path / "parent-again"))) == SAMPLE


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_upload_after_the_parent_did(
    sample: Gobbler, source: Callable[[Tree], str], method: str
) -> None:
    directory = source({f"f{number}": str(number) for number in range(20)})
    arguments = [
        ("forked", f"v{number}", directory, sample.staging, sample.url) for number in range(4)
    ]
    assert in_processes(method, workers.upload, arguments) == [""] * 4
    for number in range(4):
        pyg.validate_version("test", "forked", f"v{number}", **sample.writer)


def test_a_plain_fork_works_in_child_and_parent(sample: Gobbler, tmp_path: Path) -> None:
    workers.fetch((sample.registry, sample.url, str(tmp_path / "before")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        result = 1
        try:
            found = workers.fetch((sample.registry, sample.url, str(tmp_path / "child")))
            result = 0 if found == SAMPLE else 2
        finally:
            os._exit(result)
    assert workers.fetch((sample.registry, sample.url, str(tmp_path / "after"))) == SAMPLE
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_forks_in_the_midst_of_calls_of_other_threads(sample: Gobbler, tmp_path: Path) -> None:
    end = threading.Event()

    def call(cache: Path) -> None:
        while not end.is_set():
            pyg.list_projects(**sample.remote)
            pyg.fetch_directory("test/sample/v1", **sample.remote, cache=str(cache), overwrite=True)

    def child_work(cache: Path) -> None:
        pyg.list_projects(**sample.remote)
        assert workers.fetch((sample.registry, sample.url, str(cache))) == SAMPLE

    calls = [threading.Thread(target=call, args=(tmp_path / f"t{n}",)) for n in range(3)]
    for thread in calls:
        thread.start()
    try:
        children = []
        for number in range(12):
            # Some share a cache with a thread that is busy in it.
            cache = tmp_path / (f"t{number}" if number < 3 else f"child-{number}")
            child = workers.fork(partial(child_work, cache))
            children.append(child)
            time.sleep(0.003 * number)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [
            0
        ] * 12
    finally:
        end.set()
        for thread in calls:
            thread.join()


def test_a_child_does_not_stop_the_service_of_its_parent(sample: Gobbler) -> None:
    in_processes("fork", workers.stop_service, [None])
    assert pyg.service_info(sample.url)["registry"] == sample.registry
    assert pyg.start_gobbler(staging=sample.staging, registry=sample.registry, wait=60)[0] is False
