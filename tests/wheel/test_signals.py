"""Ctrl-C in the middle of an upload and of a fetch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pygobbler as pyg
import pytest
import requests
from support.fake import Reply, serving
from support.service import Gobbler, wait_until

# Seconds; it takes half of one where nobody else is at work.
LIMIT = 5
MEBIBYTE = 1 << 20

UPLOAD = """
import sys, pygobbler
staging, registry, url, directory, cache = sys.argv[1:]
print("ready", flush=True)
try:
    pygobbler.upload_directory("test", "big", "v1", directory, staging=staging, url=url)
except KeyboardInterrupt:
    print("interrupted", flush=True)
else:
    print("finished", flush=True)
"""

FETCH = """
import sys, pygobbler
staging, registry, url, directory, cache = sys.argv[1:]
print("ready", flush=True)
try:
    pygobbler.fetch_directory(
        "test/big/v1", registry, url, cache=cache, force_remote=True
    )
except KeyboardInterrupt:
    print("interrupted", flush=True)
else:
    print("finished", flush=True)
"""


@pytest.fixture(scope="module", params=["one-large", "many-small"])
def directory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Enough data that no machine is done with it at once: 512 MiB, or 4000 files."""
    root = tmp_path_factory.mktemp(request.param)
    block = os.urandom(MEBIBYTE)
    if request.param == "one-large":
        with (root / "large").open("wb") as file:
            for _ in range(512):
                file.write(block)
    else:
        for number in range(4000):
            folder = root / f"d{number % 50}"
            folder.mkdir(exist_ok=True)
            (folder / f"f{number}").write_bytes(number.to_bytes(4, "big") + block[:16000])
    yield str(root)
    shutil.rmtree(root)


@pytest.fixture
def place(gobbler: Gobbler, tmp_path: Path, directory: str) -> list[str]:
    """The arguments of a script, on a service with the project `test`."""
    pyg.create_project("test", **gobbler.writer)
    return [gobbler.staging, gobbler.registry, gobbler.url, directory, str(tmp_path / "cache")]


def interrupt(script: str, place: list[str], middle: Callable[[], bool]) -> float:
    """Run a script, send SIGINT when it is in the middle; returns the seconds until it ended."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", script, *place], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        # A slow machine takes minutes to copy all, which is what some wait for.
        wait_until(lambda: middle() or process.poll() is not None, "it is in the middle", 200)
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        word = process.stdout.readline()
        seconds = time.perf_counter() - begin
        assert word == "interrupted\n"
        assert process.wait(10) == 0
        print(f"ended {seconds:.3f} s after SIGINT")
        return seconds
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def begins(folder: str, pattern: str) -> Callable[[], bool]:
    return lambda: any(True for _ in Path(folder).glob(pattern))


@pytest.mark.big
@pytest.mark.parametrize("moment", ["copying", "waiting"])
def test_an_interrupted_upload_ends_at_once_and_can_be_repeated(
    gobbler: Gobbler, place: list[str], directory: str, moment: str
) -> None:
    pattern = "[!r]*/*" if moment == "copying" else "request-upload-*"
    assert interrupt(UPLOAD, place, begins(gobbler.staging, pattern)) < LIMIT
    assert not begins(gobbler.staging, "request-*")()
    try:
        pyg.upload_directory("test", "big", "v1", directory, **gobbler.writer)
    except requests.HTTPError as error:
        # The service was done, and had answered, before it could notice that nobody listens.
        if moment != "waiting" or "already exists" not in str(error):
            raise
    pyg.validate_version("test", "big", "v1", **gobbler.writer)
    usage = pyg.fetch_usage("test", **gobbler.local)
    assert usage == pyg.refresh_usage("test", **gobbler.writer)


@pytest.mark.big
def test_an_interrupted_fetch_ends_at_once_and_can_be_repeated(
    gobbler: Gobbler, place: list[str], directory: str
) -> None:
    pyg.upload_directory("test", "big", "v1", directory, **gobbler.writer)
    version = gobbler.path("test", "big", "v1")
    cache = Path(place[-1])

    def middle() -> bool:
        """Something larger than the internal files is on its way."""
        for top, _, files in os.walk(cache):
            for name in files:
                try:
                    if not name.startswith("..") and os.stat(os.path.join(top, name)).st_size:
                        return True
                except FileNotFoundError:
                    continue
        return False

    assert interrupt(FETCH, place, middle) < LIMIT
    assert list(cache.rglob("....OK")) == []
    for registry in cache.glob("*/REGISTRY"):
        for path in registry.rglob("*"):
            if path.is_file():
                expected = version / path.relative_to(registry / "test" / "big" / "v1")
                assert path.read_bytes() == expected.read_bytes()
    fetched = Path(pyg.fetch_directory("test/big/v1", **gobbler.remote, cache=str(cache)))
    for path in version.rglob("*"):
        if path.is_file():
            assert (fetched / path.relative_to(version)).read_bytes() == path.read_bytes()
    assert len(list(cache.rglob("....OK"))) == 1


def test_an_interrupted_wait_for_a_silent_server_ends_at_once(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    (tmp_path / "source").mkdir()
    with serving(lambda *_: Reply(b"{", length=100, stall=True)) as fake:
        place = [str(staging), "-", fake.url, str(tmp_path / "source"), "-"]
        assert interrupt(UPLOAD, place, lambda: bool(fake.asked)) < LIMIT
    assert not begins(str(staging), "request-*")()
