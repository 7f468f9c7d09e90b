"""Many processes at once, children of others, and interrupted ones."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from gypsum_client import _utils
from gypsum_client._locks import locked
from selenite import _core
from support import workers
from support.bucket import Gypsum
from support.proxy import Fault, between
from support.service import wait_until
from support.tree import Tree, make, read

TREE: Tree = {f"d{number % 7}/f{number}": os.urandom(20_000 * (number % 9)) for number in range(60)}


@pytest.fixture
def version(empty: Gypsum, tmp_path: Path) -> Gypsum:
    """A service with the version `p/a/v` of many files."""
    gyp.create_project("p", "alice", **empty.writer)
    folder = make(tmp_path / "source", TREE)
    gyp.upload_directory(folder, "p", "a", "v", tmp_path / "no-cache", **empty.writer)
    return empty


def test_many_processes_save_one_version_once(version: Gypsum, cache: Path) -> None:
    arguments = [(version.url, str(cache), number % 2 == 0) for number in range(8)]
    with between(version.url, lambda *_: None) as proxy:
        pool = multiprocessing.get_context("spawn").Pool(8)
        try:
            asked = [(proxy.url, place, False) for _, place, _ in arguments]
            folders = pool.map_async(workers.save_version, asked).get(120)
            assert proxy.count("GET /file/") == len(TREE) + 2
            folders += pool.map_async(workers.save_version, arguments).get(120)
        finally:
            pool.terminate()
            pool.join()
    assert len(set(folders)) == 1
    assert read(Path(folders[0])) == dict(sorted(TREE.items()))
    names = {path.name for path in (cache / "bucket").rglob("*") if path.is_file()}
    assert names == {name.split("/")[1] for name in TREE} | {"..manifest", "..summary"}
    assert list((cache / "tmp").iterdir()) == []


def test_a_child_of_fork_works_after_its_parent_did(version: Gypsum, tmp_path: Path) -> None:
    workers.save_version((version.url, str(tmp_path / "before"), False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        result = 1
        with contextlib.suppress(BaseException):
            place = str(tmp_path / "child")
            folder = workers.save_version((version.url, place, False))
            result = 0 if read(Path(folder)) == dict(sorted(TREE.items())) else 2
        os._exit(result)
    workers.save_version((version.url, str(tmp_path / "after"), False))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_forked_children_choose_sessions_of_their_own() -> None:
    _core.gypsum_session_token()
    reader, writer = os.pipe()
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os.write(writer, _core.gypsum_session_token().encode())
            os._exit(0)
        os.waitpid(child, 0)
    tokens = os.read(reader, 100).decode() + _core.gypsum_session_token()
    os.close(reader)
    os.close(writer)
    assert len({tokens[:36], tokens[36:72], tokens[72:]}) == 3


def test_a_fork_in_the_midst_of_a_save_holds_up_neither_child_nor_parent(
    version: Gypsum, cache: Path
) -> None:
    release = threading.Event()

    def plan(method: str, path: str, _: int) -> None:
        if "list" in path:
            release.wait(30)

    with between(version.url, plan) as slow:
        saving = threading.Thread(
            target=workers.save_version, args=((slow.url, str(cache), False),)
        )
        saving.start()
        # Before its list is answered the thread has locked the version.
        wait_until(lambda: bool(list(cache.rglob("LOCK"))), "the thread has the lock")
        busy = workers.fork(lambda: workers.save_version((version.url, str(cache), False)))
        idle = workers.fork(signal.pause)
        release.set()
        saving.join()
    again = threading.Thread(
        target=workers.save_version, args=((version.url, str(cache), True),), daemon=True
    )
    again.start()
    again.join(40)
    assert not again.is_alive(), "an idle child has the lock of its parent"
    assert os.waitstatus_to_exitcode(os.waitpid(busy, 0)[1]) == 0
    os.kill(idle, signal.SIGKILL)
    os.waitpid(idle, 0)


def test_locks_of_the_package_are_their_own_process_s(tmp_path: Path) -> None:
    def is_free(path: Path) -> bool:
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with locked(str(tmp_path / "f")):
        _utils._acquire_lock(str(tmp_path), "p", "a", "v")
        version = tmp_path / "status/p/a/v/LOCK"
        # A child that ends what it has inherited takes nothing from its parent.
        child = workers.fork(lambda: _utils._release_lock("p", "a", "v"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not is_free(version)
        assert not is_free(tmp_path / "f.LOCK")
        idle = workers.fork(signal.pause)
    _utils._release_lock("p", "a", "v")
    assert is_free(version)
    assert is_free(tmp_path / "f.LOCK")
    os.kill(idle, signal.SIGKILL)
    os.waitpid(idle, 0)


SCRIPT = """
import sys, gypsum_client as g
url, token, folder, cache, what = sys.argv[1:]
print("ready", flush=True)
try:
    if what == "upload":
        g.upload_directory(folder, "p", "a", "w", cache, url=url, token=token)
    else:
        g.save_version("p", "a", "v", cache, url=url)
except KeyboardInterrupt:
    print("interrupted", flush=True)
else:
    print("finished", flush=True)
"""


def interrupt(arguments: list[str], middle: Callable[[], bool]) -> float:
    """Send SIGINT when the script is in the middle; returns the seconds until it ended."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        wait_until(middle, "it is in the middle")
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        seconds = time.perf_counter() - begin
        assert process.wait(10) == 0
        return seconds
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("what", "step", "files", "size"),
    [
        pytest.param("upload", "PUT /upload/object/", 30, 300_000, id="upload"),
        # They go together: as many archives as transfers at once.
        pytest.param("upload", "PUT /upload/archive/", 480, 10_000, id="archives"),
        pytest.param("save", "GET /file/", 0, 0, id="save"),
    ],
)
def test_ctrl_c_ends_at_once_and_leaves_nothing_half_done(
    version: Gypsum, cache: Path, tmp_path: Path, what: str, step: str, files: int, size: int
) -> None:
    more = {f"g{number}": os.urandom(size) for number in range(files)}
    folder = make(tmp_path / "more", more)
    release = threading.Event()

    def plan(method: str, path: str, _: int) -> Fault | None:
        is_late = proxy.count(step) > 10 and f"{method} {path}".startswith(step)
        if is_late and not release.is_set():
            return Fault(stall=True)
        return None

    with between(version.url, plan) as proxy:
        arguments = [proxy.url, version.token, str(folder), str(cache), what]
        seconds = interrupt(arguments, lambda: proxy.count(step) > 12)
        assert seconds < 10, "half a second where nobody else is at work, and silence for a minute"
        release.set()
        assert not version.is_locked("p")
        assert gyp.list_versions("p", "a", url=version.url) == ["v"]
        if what == "upload":
            assert not version.path("p", "a", "w").exists()
        else:
            assert not list(cache.rglob("COMPLETE"))
            for path in (cache / "bucket").rglob("f*"):
                name = str(path.relative_to(cache / "bucket" / "p" / "a" / "v"))
                assert path.read_bytes() == TREE[name]
            saved = gyp.save_version("p", "a", "v", cache, url=version.url)
            assert read(Path(saved)) == dict(sorted(TREE.items()))
            left: list[Any] = list((cache / "tmp").iterdir())
            assert left == []


PEAK = """
import sys, os, gypsum_client as g
url, token, folder, cache = sys.argv[1:]
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024
g.list_projects(url=url)
idle = peak()
g.upload_directory(folder, "p", "big", "v", cache, url=url, token=token)
g.save_version("p", "big", "v", cache, url=url)
print(peak() - idle)
"""


@pytest.mark.big
def test_memory_does_not_depend_on_sizes(version: Gypsum, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    for number in range(20):
        with (folder / f"f{number}").open("wb") as file:
            file.write(bytes([number]))
            file.truncate(8 << 20)
    command = [
        sys.executable,
        "-P",
        "-c",
        PEAK,
        version.url,
        version.token,
        str(folder),
        str(cache),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"{float(done.stdout):.1f} MiB above idle")
    assert float(done.stdout) < 64
