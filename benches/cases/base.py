"""What every case is made of, and helpers for those that contend."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Skip(Exception):
    """Something this contestant needs is not there; the text says what."""


@dataclass(frozen=True)
class Timed:
    """A measurement by the contestant's own clock, in seconds.

    Attributes:
        wall: Time that passed.
        cpu: CPU time of the contestant, if it is not that of its process.
        value: The result.
        server: CPU time of the server meanwhile, as a share of a core, if it is known.
    """

    wall: float
    cpu: float | None = None
    value: Any = None
    server: float | None = None


@dataclass
class Task:
    """One repetition: what there is to work with.

    Attributes:
        data: Where the sets of files are.
        facts: What the case has prepared for all of its contestants.
        scratch: An empty directory of this repetition's own. It is removed when all is over.
        label: A name that no other repetition of any contestant has.
        repetition: A name that this repetition has for all contestants.
        floors: The program of the floors, if there is one.
    """

    data: dict[str, Path]
    facts: dict[str, Any]
    scratch: Path
    label: str
    repetition: str
    floors: str | None

    def floor(self, *arguments: str | int) -> Callable[[], Timed]:
        """A call that runs a floor, which has a clock of its own."""
        import json

        if self.floors is None:
            raise Skip("the floors are not built (no cargo)")
        command = [self.floors, *map(str, arguments)]

        def run() -> Timed:
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            said = json.loads(answer.stdout)
            return Timed(said["wall"], value=said["count"])

        return run

    def list_file(self, lines: list[str]) -> Path:
        """A file with these lines."""
        path = self.scratch / "list"
        path.write_text("".join(line + "\n" for line in lines))
        return path


Prepare = Callable[[Task], Callable[[], Any]]


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Attributes:
        name: What the table calls it.
        prepare: Makes a repetition ready and returns the call to be timed.
        side: `ours` runs what is installed, `before` an older selenite, `peers` the pinned
            packages, `plain` only the standard library and programs.
        environment: Variables set for its process.
        is_floor: Its result is not compared: it does less.
        repetitions: At most this many, for the very slow.
    """

    name: str
    prepare: Prepare
    side: str
    environment: Mapping[str, str] = field(default_factory=dict)
    is_floor: bool = False
    repetitions: int = 99


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        ident: Its name.
        operation: What is done.
        ours: Contestant that must be fast.
        peers: Those it is compared with; the fastest counts.
        must: The ratio that is needed.
        stretch: The ratio that would be better.
        floor: Contestant that shows what is possible at all.
        metric: `wall` or `cpu`.
        unit: What is measured, if not seconds.
        in_server: The work is done by a server, whose CPU time is not known.
        inverse: The ratio is ours to the peer's, and must not be above `must`.
    """

    ident: str
    operation: str
    ours: str
    peers: tuple[str, ...]
    must: float
    stretch: float
    floor: str | None = None
    metric: str = "wall"
    unit: str = "s"
    in_server: bool = False
    inverse: bool = False


Setup = Callable[[dict[str, Path], Path, str | None], AbstractContextManager[dict[str, Any]]]


def _nothing(
    _data: dict[str, Path], _scratch: Path, _floors: str | None
) -> AbstractContextManager[dict[str, Any]]:
    return nullcontext({})


@dataclass(frozen=True)
class Case:
    """Contestants that do the same work, and the rows that come of it.

    Attributes:
        rows: The lines of the table.
        contestants: In the order in which they take turns.
        needs: Names of the sets of files.
        check: Turns a result into text that is equal for equal results; run outside of the clock.
            The flag asks for a thorough look (the first time) or a quick one.
        setup: Servers and the like, for as long as the case lasts.
        writes: It fills the disk: what is dirty is written back before each repetition.
        discard: What a repetition made is removed at once: few and large files.
        is_fresh: Each repetition has a new process, which knows nothing of the servers yet.
    """

    rows: tuple[Row, ...]
    contestants: tuple[Contestant, ...]
    needs: tuple[str, ...]
    check: Callable[[Any, Task, bool], str]
    setup: Setup = _nothing
    writes: bool = False
    discard: bool = False
    is_fresh: bool = False


def same(value: Any, _task: Task, _thorough: bool) -> str:
    """Compare results by their text."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


def files_below(root: Path) -> list[str]:
    """Relative paths of all files below a directory, sorted."""

    def below(folder: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from below(entry.path)
                else:
                    yield entry.path

    start = len(str(root)) + 1
    return sorted(path[start:] for path in below(str(root)))


def tree(root: Any, _task: Task, thorough: bool) -> str:
    """Compare trees: paths and sizes; if thorough, contents too."""
    digest = hashlib.sha256()
    for path in files_below(Path(root)):
        file = Path(root) / path
        digest.update(f"{path}\0{file.stat().st_size}\0".encode())
        if thorough:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def expectations(root: Path, paths: list[str]) -> list[tuple[int, str]]:
    """Sizes and MD5 digests of files."""
    found = []
    for path in paths:
        with (root / path).open("rb") as stream:
            digest = hashlib.file_digest(stream, "md5").hexdigest()
        found.append(((root / path).stat().st_size, digest))
    return found


def wait_for(condition: Callable[[], bool], what: str, limit: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise Skip(f"{what} did not come within {limit:g} s")
        time.sleep(0.01)


def program(name: str, hint: str = "") -> str:
    """Path of an installed program."""
    import shutil

    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise Skip(f"{name} is not installed{hint}")
    return found
