"""Threads that cannot be made, interpreters that end, and descriptors that others have closed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pygobbler as pyg
import pytest
from selenite import _core
from support import workers
from support.fake import Reply, as_json, registry, serving
from support.service import exchange, free_port, wait_until


def fork(work: Callable[[], object]) -> int:
    """Do this in a child, whose number of threads can be limited; returns its process id."""

    def limited() -> None:
        if os.geteuid() == 0:
            # The limit does not hold for root.
            os.setgroups([])
            os.setgid(64000)
            os.setuid(64000 + os.getpid() % 1000)
        work()

    return workers.fork(limited)


def allow(threads: int) -> None:
    """Let this process have so many more threads."""
    tasks = 0
    for entry in Path("/proc").glob("[0-9]*/task/*"):
        try:
            tasks += entry.stat().st_uid == os.geteuid()
        except FileNotFoundError:
            continue
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks + threads, most))


def alone() -> None:
    """Wait until the threads of the call before have ended."""
    wait_until(lambda: len(os.listdir("/proc/self/task")) == 1, "this is the only thread")


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for all users."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


FILES = {f"f{number}": os.urandom(200_000) for number in range(4)}


def fetch(url: str, cache: Path) -> None:
    folder = pyg.fetch_directory("p/a/v", "", url, str(cache), force_remote=True)
    assert {name: Path(folder, name).read_bytes() for name in FILES} == FILES


def test_a_call_that_gets_no_thread_says_so(place: Path) -> None:
    def work() -> None:
        allow(0)
        with pytest.raises(BlockingIOError) as info:
            fetch(fake.url, place)
        assert info.value.errno == errno.EAGAIN
        allow(100)
        fetch(fake.url, place)

    with serving(registry(FILES)) as fake:
        assert ended(fork(work)) == 0


def test_a_call_makes_do_with_one_thread(place: Path) -> None:
    def work() -> None:
        allow(1)
        fetch(fake.url.replace("127.0.0.1", "localhost"), place)
        alone()
        folder = place / "many"
        folder.mkdir()
        for number in range(60):
            (folder / str(number)).write_bytes(FILES["f1"])
        assert _core.stage_directory(folder, place / "copy") == 60
        alone()
        copies = [str(place / "copy" / str(number)) for number in range(60)]
        assert len(set(_core.digest_files(copies, "md5"))) == 1

    manifest = {
        name: {"size": len(content), "md5sum": hashlib.md5(content).hexdigest()}
        for name, content in FILES.items()
    }
    records = {"..manifest": json.dumps(manifest).encode(), "..summary": b"{}"}
    with serving(registry({**FILES, **records})) as fake:
        assert ended(fork(work)) == 0


COUNT = """
import os, sys, threading, time, pygobbler
def count():
    return len(os.listdir("/proc/self/task"))
call = threading.Thread(target=pygobbler.list_projects, args=(None, sys.argv[1], True))
call.start()
deadline = time.monotonic() + 20
while count() < 3 and time.monotonic() < deadline:
    time.sleep(0.001)
time.sleep(0.2)
print(count(), flush=True)
call.join()
while count() > 1 and time.monotonic() < deadline:
    time.sleep(0.001)
print(count(), flush=True)
"""


def test_a_single_request_takes_a_single_thread() -> None:
    release = threading.Event()

    def script(method: str, path: str) -> Reply:
        release.wait(30)
        return as_json(["p"])

    with serving(script) as fake, running(COUNT, fake.url) as process:
        assert process.stdout is not None
        # Those of the program, and that of the call.
        assert process.stdout.readline() == "3\n"
        release.set()
        assert process.stdout.readline() == "1\n"


END = """
import os, sys, threading, time, pygobbler
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(0.3)
slow = Slow()
fetch, arguments = pygobbler.fetch_directory, ("p/a/v", "", *sys.argv[1:], True)
threading.Thread(target=fetch, args=arguments, daemon=True).start()
# Until the call has its thread: it looks at Python for the first time when the interpreter ends.
deadline = time.monotonic() + 20
while len(os.listdir("/proc/self/task")) < 3 and time.monotonic() < deadline:
    time.sleep(0.0005)
"""


def test_a_program_that_ends_in_the_midst_of_a_call_says_nothing(tmp_path: Path) -> None:
    stalled = Reply(b"[", length=100, stall=True)
    for script in (lambda *_: stalled, registry(FILES)):
        with serving(script) as fake, running(END, fake.url, str(tmp_path)) as process:
            assert process.communicate(timeout=30) == ("", "")
            assert process.returncode == 0


CLOSED = """
import os, sys, pygobbler
url, how, low = sys.argv[1:]
call = lambda: pygobbler.list_projects(None, url, force_remote=True)
assert call() == ["p"]
if how == "daemon" and os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
os.closerange(int(low), 256)
files = [open("/proc/self/status") for _ in range(40)]
for _ in range(3):
    assert call() == ["p"]
assert all(file.readline() for file in files)
"""


@pytest.mark.parametrize("how", ["daemon", "in place"])
@pytest.mark.parametrize("low", ["3", "5"])
def test_descriptors_that_were_closed_are_replaced(how: str, low: str) -> None:
    with (
        serving(lambda *_: as_json(["p/"])) as fake,
        running(CLOSED, fake.url, how, low) as process,
    ):
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0


@contextlib.contextmanager
def running(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program of its own, without a limit of its threads."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def port() -> Iterator[int]:
    with free_port() as port:
        yield port


def test_a_service_without_threads_refuses_and_still_ends(place: Path, port: int) -> None:
    (place / "staging").mkdir()
    (place / "registry").mkdir()
    for folder in place.iterdir():
        folder.chmod(0o1777)
    url = f"http://127.0.0.1:{port}"
    settings = {"staging": f"{place}/staging", "registry": f"{place}/registry", "port": port}

    orders, answers = multiprocessing.Pipe()

    def obey() -> None:
        while True:
            allow(answers.recv())
            answers.send(None)

    def work() -> None:
        threading.Thread(target=obey, daemon=True).start()
        assert _core.serve_gobbler(json.dumps(settings)) == 0

    def order(threads: int) -> None:
        orders.send(threads)
        orders.recv()

    def status(path: str) -> int:
        try:
            return exchange(url, "GET", path, timeout=10).status
        except ConnectionError:
            return 0

    child = fork(work)

    def is_at_rest() -> bool:
        for comm in Path(f"/proc/{child}/task").glob("*/comm"):
            # One may have ended since.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if comm.read_text().startswith("selenite-work"):
                    return False
        return True

    wait_until(lambda: status("/info") == 200, "the service answers")
    # A thread has its name a moment after it was made: the first ones do, when one has done work.
    assert status("/list") == 200
    wait_until(is_at_rest, "what is done at the start is done")
    order(0)
    assert [status(path) for path in ("/list", "/fetch/", "/info")] == [503, 503, 200]
    order(100)
    assert [status(path) for path in ("/list", "/fetch/", "/info")] == [200, 200, 200]
    order(0)
    os.kill(child, signal.SIGTERM)
    assert ended(child) == 0


def test_a_large_digest_holds_up_no_other_call(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1 << 29)
    digesting = threading.Thread(target=_core.digest_files, args=([large],))
    with serving(lambda *_: Reply(b"small")) as fake:
        digesting.start()
        for number in range(3):
            _core.download_files(fake.url, ["a"], tmp_path / str(number))
        assert digesting.is_alive(), "the others waited for it"
        digesting.join()


HELD = """
import os, sys, threading, time
from selenite import _core
url, folder = sys.argv[1:]
files = [os.path.join(folder, str(number)) for number in range(300)]
def open_files():
    return len(os.listdir("/proc/self/fd"))
def threads():
    return len(os.listdir("/proc/self/task"))
def call(own):
    _core.digest_files(files)
    _core.download_files(url, ["a", "b"], os.path.join(folder, "to", str(own)))
def calls(count):
    started = [threading.Thread(target=call, args=(own,)) for own in range(count)]
    for one in started: one.start()
    for one in started: one.join()
calls(4)
before = open_files()
for _ in range(20):
    calls(4)
deadline = time.monotonic() + 20
while threads() > 1 and time.monotonic() < deadline:
    time.sleep(0.001)
print(threads(), before, open_files())
"""


def test_what_calls_hold_is_given_back(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / str(number)).write_bytes(b"x")
    with (
        serving(lambda *_: Reply(b"small")) as fake,
        running(HELD, fake.url, str(tmp_path)) as process,
    ):
        told, fault = process.communicate(timeout=100)
    assert fault == ""
    threads, before, after = map(int, told.split())
    assert threads == 1
    # Each runtime has its descriptors and two connections, and there is one for each of four calls
    # at once; before, there may have been fewer at once.
    assert after <= before + 4 * 8
