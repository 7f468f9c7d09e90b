"""What a process leaves behind if it is cut off anywhere: `tests/crash/README.md`."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from selenite import _process

from support.memory import memory

Result = TypeVar("Result")

# `all`: every kind of fault at every call, not a sample.
WHOLE = os.environ.get("SELENITE_TEST_CRASH") == "all"


def _can_trace() -> bool:
    """Whether the tracer knows the registers, and a container does not forbid it."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return False
    asking = "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)"
    return subprocess.run([sys.executable, "-S", "-c", asking]).returncode == 0


POSSIBLE = _can_trace()
SOURCE = Path(__file__).parents[1] / "crash" / "tracer.c"
# What needs room on a disk, or tells late that there was none.
NEEDS_ROOM = {"open", "mkdir", "rename", "link", "symlink", "write", "writev", "allocate"}
NEEDS_ROOM |= {"nameless", "fsync", "syncfs", "setxattr", "close"}


# What a file system may lack: names of calls, and how they fail there.
NOTHING: Mapping[str, int] = {}
WORLDS = {
    "": NOTHING,
    # There, a file that is opened without a name could never get one.
    "no links": {"link": errno.EPERM, "nameless": errno.EOPNOTSUPP},
    "no attributes": {"setxattr": errno.ENOTSUP, "removexattr": errno.ENOTSUP},
}


@functools.cache
def tracer() -> int:
    """Compile the tracer, once for this process; returns its open file, which has no name."""
    with tempfile.TemporaryDirectory(prefix="selenite-tracer-") as folder:
        program = str(Path(folder, "tracer"))
        command = ["cc", "-O2", "-Wall", "-Werror", "-o", program, str(SOURCE)]
        subprocess.run(command, check=True)
        return os.open(program, os.O_RDONLY)


def fast_folder() -> str | None:
    """Where trees are copied soonest: in memory, where it keeps extended attributes too."""
    folder = memory(1 << 30)
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            os.setxattr(file.name, "user.selenite.test", b"1")
    except OSError:
        return None
    return folder


@dataclass(frozen=True)
class Call:
    """A system call that is about to change something."""

    name: str
    inode: int
    length: int
    path: str
    second: str

    def __str__(self) -> str:
        return f"{self.name} {self.path}" + (f" -> {self.second}" if self.second else "")


def go(_: Call) -> str:
    """Let a call be made."""
    return "go"


class Traced:
    """A process whose changing calls below a folder are asked about, one at a time.

    `ask` answers as `tests/crash/tracer.c` says; it may be replaced at any time. What is `lacking`
    it is not asked about: such calls fail with that error, as on a file system that has no such
    thing.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        lacking: Mapping[str, int] = NOTHING,
        **settings: Any,
    ) -> None:
        """Start a command; `settings` are those of `subprocess.Popen`."""
        self.lacking = lacking
        self.ask: Callable[[Call], str] = go
        self.fault: BaseException | None = None
        questions, to_us = os.pipe()
        from_us, answers = os.pipe()
        try:
            program = f"/proc/self/fd/{tracer()}"
            traced = [program, str(folder), str(to_us), str(from_us), *command]
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                traced, pass_fds=(tracer(), to_us, from_us), **settings
            )
        finally:
            os.close(to_us)
            os.close(from_us)
        self._questions = os.fdopen(questions, "rb")
        self._answers = os.fdopen(answers, "wb", buffering=0)
        self.pid = int(self._questions.readline())
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        for line in self._questions:
            name, inode, length, path, second = os.fsdecode(line[:-1]).split("\t")
            try:
                if name in self.lacking:
                    answer = f"fail {self.lacking[name]}"
                else:
                    answer = self.ask(Call(name, int(inode), int(length), path, second))
            except BaseException as error:
                self.fault = error
                answer = "kill"
            try:
                self._answers.write(f"{answer}\n".encode())
            except BrokenPipeError:
                break  # it was killed meanwhile

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send it a signal and wait for its end; returns its status."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; returns its status."""
        status = self.process.wait(60)
        self._thread.join()
        self._questions.close()
        self._answers.close()
        if self.fault is not None:
            raise self.fault
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.end()


@dataclass(frozen=True)
class State:
    """What is in a folder if the process ends before `call`; without one, after the last.

    Attributes:
        number: The how manyth of all points it is, from 1.
        call: What was not done any more.
        folder: A copy of the folder.
        mark: Equal for equal contents.
        lost: Files whose content was not synced, relative to the folder.
    """

    number: int
    call: Call | None
    folder: Path
    mark: str
    lost: tuple[str, ...]

    def restore(self, folder: Path, *, power_failed: bool = False) -> None:
        """Put it in the place of a folder, after a power failure without what was not synced."""
        replace(folder, self.folder)
        if power_failed:
            for path in self.lost:
                os.truncate(folder / path, 0)


@dataclass
class Recording:
    """The states of one run."""

    states: list[State] = field(default_factory=list)
    # How many there were, kept or not.
    count: int = 0
    # From this number on the run was known to be on disk.
    durable_from: int = 0

    def points(self, kind: str) -> list[State]:
        """The states that differ for a kind of end: `kill` or `lost`.

        Consecutive calls often leave the same: these are one point to try.
        """
        seen = set()
        points = []
        for state in self.states:
            lost = state.lost if kind == "lost" else ()
            if (state.mark, lost) not in seen and (kind == "kill" or lost):
                seen.add((state.mark, lost))
                points.append(state)
        return points


def sample(points: Sequence[Result], count: int) -> list[Result]:
    """Take so many, evenly and with the last; all of them in the whole form."""
    if WHOLE or len(points) <= count:
        return list(points)
    return [points[(number + 1) * len(points) // count - 1] for number in range(count)]


class Disk:
    """What was written and is not on disk, of a run whose writes are made in two."""

    def __init__(self) -> None:
        self.dirty: set[int] = set()
        self._halved: set[int] = set()

    def take(self, call: Call) -> str:
        """Answer the tracer that a call is made, or its first half."""
        match call.name:
            case "syncfs":
                self.dirty.clear()
            case "fsync":
                self.dirty.discard(call.inode)
            case "write" | "writev" | "clone":
                self.dirty.add(call.inode)
        if call.name == "write" and call.length > 1:
            if call.inode not in self._halved:
                self._halved.add(call.inode)
                return "half"
            self._halved.remove(call.inode)
        return "go"

    def lost(self, folder: Path) -> tuple[str, ...]:
        """Name the files whose contents a power failure would take, relative to a folder."""
        if not self.dirty:
            return ()
        return tuple(
            path
            for path, about in entries(folder)
            if stat.S_ISREG(about.st_mode) and about.st_ino in self.dirty and about.st_size
        )


class Killing:
    """Kills at the how manyth point of `record`; `hit` is the call that was not made then."""

    def __init__(self, number: int) -> None:
        """Prepare it; `number` counts from 1."""
        self.number, self.count, self.disk = number, 0, Disk()
        self.hit: Call | None = None

    def __call__(self, call: Call) -> str:
        """Answer the tracer."""
        if call.name == "close":
            return "go"
        self.count += 1
        if self.count == self.number:
            self.hit = call
            return "kill"
        return self.disk.take(call)


def record(
    traced: Traced, folder: Path, copies: Path, act: Callable[[], Result], every: int = 1
) -> tuple[Result, Recording]:
    """Keep what a process would leave if it were killed before each of its changing calls.

    Each write of more than a byte is made in two, so that torn ones are among the states: what a
    kill leaves is what is there at that moment, so one run gives all of them.

    Args:
        traced: The process.
        folder: The folder that it is traced for.
        copies: Where the copies come to.
        act: Makes the process do something, and waits for the end of the process.
        every: Keep each state; or only one of so many, the last, and those where a file is synced
            or renamed.
    """
    recording, disk = Recording(), Disk()

    def keep(call: Call | None) -> None:
        number = recording.count = recording.count + 1
        # Files that are named before they are synced are what is looked for.
        is_telling = call is None or (disk.dirty and call.name in {"rename", "fsync", "syncfs"})
        if number % every and not is_telling:
            return
        mark = fingerprint(folder)
        before = recording.states[-1] if recording.states else None
        if before is not None and before.mark == mark:
            copy = before.folder
        else:
            copy = copies / str(number)
            replace(copy, folder)
        recording.states.append(State(number, call, copy, mark, disk.lost(folder)))

    def ask(call: Call) -> str:
        if call.name == "close":
            return "go"
        keep(call)
        if call.name in {"fsync", "syncfs"}:
            recording.durable_from = recording.count + 1
        return disk.take(call)

    traced.ask = ask
    try:
        result = act()
    finally:
        traced.ask = go
    if traced.fault is not None:
        raise traced.fault
    keep(None)
    return result, recording


class Failing:
    """Fails the how manyth call with an error; `hit` is that call once it has come."""

    def __init__(self, number: int, code: int) -> None:
        """Prepare it; `number` counts from 1, `code` is that of the error."""
        self.number, self.code, self.count = number, code, 0
        self.hit: Call | None = None

    def is_meant(self, call: Call) -> bool:
        """Whether a call can fail in this way."""
        return True

    def __call__(self, call: Call) -> str:
        """Answer the tracer."""
        self.count += self.is_meant(call)
        if self.hit is None and self.count == self.number and self.is_meant(call):
            self.hit = call
            return f"fail {self.code}"
        return "go"


class OutOfRoom(Failing):
    """The same where only what needs room fails."""

    def is_meant(self, call: Call) -> bool:
        return call.name in NEEDS_ROOM


class OverQuota(Failing):
    """The same where only writing and closing fail."""

    def is_meant(self, call: Call) -> bool:
        return call.name in {"write", "writev", "close"}


def entries(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, sorted, by its path relative to it."""
    for directory, folders, files in os.walk(folder):
        folders.sort()
        inside = os.path.relpath(directory, folder)
        start = "" if inside == "." else f"{inside}/"
        for name in sorted(folders + files):
            try:
                about = os.lstat(f"{directory}/{name}")
            except FileNotFoundError:
                continue  # it went while an answer was on its way
            yield start + name, about


def fingerprint(folder: Path) -> str:
    """Equal for equal trees: names, modes, contents and attributes."""
    seen = hashlib.md5()
    for path, about in entries(folder):
        full = folder / path
        seen.update(f"{path}\0{about.st_mode:o} {about.st_uid}\0".encode(errors="surrogateescape"))
        if stat.S_ISLNK(about.st_mode):
            seen.update(os.readlink(full).encode())
            continue
        if stat.S_ISREG(about.st_mode):
            seen.update(full.read_bytes())
        for name in sorted(os.listxattr(full)):
            seen.update(name.encode() + os.getxattr(full, name))
    return seen.hexdigest()


def replace(folder: Path, by: Path) -> None:
    """Make a folder a copy of another one, with owners, times and attributes."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["cp", "-a", str(by), str(folder)], check=True)


# Where `scripts/full crash` collects the rows of its table.
TABLE = os.environ.get("SELENITE_TEST_CRASH_TABLE")


def row(*cells: object) -> None:
    """Add a row to the table, and show it."""
    line = "| " + " | ".join(map(str, cells)) + " |"
    print(line)
    if TABLE is not None:
        with open(TABLE, "a") as file:
            file.write(line + "\n")


class Server:
    """A service in a process of its own, started as an embedded one is: that is soonest."""

    def __init__(
        self,
        name: str,
        settings: dict[str, Any],
        traced_for: Path | None = None,
        lacking: Mapping[str, int] = NOTHING,
    ) -> None:
        """Start it and wait until it answers.

        Args:
            name: `gobbler` or `gypsum`.
            settings: As `selenite.testing` passes them.
            traced_for: The folder whose changes are asked about; see `traced`.
            lacking: What that folder's file system lacks.
        """
        child = _process.__file__.replace("_process", "_service")
        command = [sys.executable, "-S", "-s", "-P", child, str(Path(child).parents[1]), name]
        with _process.listen("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
            command.append(json.dumps({"host": "127.0.0.1", "port": port, **settings}))
            self._lifeline, theirs = socket.socketpair()
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
            streams: dict[str, Any] = {"stdin": listener, "stdout": theirs, "stderr": self._log}
            with theirs:
                self._traced = (
                    Traced(traced_for, command, lacking, **streams) if traced_for else None
                )
                self.process = (
                    self._traced.process if self._traced else subprocess.Popen(command, **streams)
                )
        self.url = f"http://127.0.0.1:{port}"
        self._lifeline.settimeout(60)
        if not self._lifeline.recv(1024).endswith(b"\n"):
            raise AssertionError(f"the service ended: {self.log}")

    @property
    def traced(self) -> Traced:
        """The process that is asked about."""
        assert self._traced is not None, "it is not traced"
        return self._traced

    @property
    def log(self) -> str:
        """What it has written."""
        self._log.seek(0)
        return self._log.read().decode()

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send it a signal and wait for its end; returns its status."""
        if self._traced is not None:
            status = self._traced.end(number)
        else:
            self.process.send_signal(number)
            status = self.process.wait(60)
        self._lifeline.close()
        self._log.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.end()
