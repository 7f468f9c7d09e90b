"""Every call of the clients that writes files, cut off at every call of the system.

Afterwards no file is there by half, the same call succeeds, and what it makes is what it makes
without faults. `README.md` says how it is done.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from support import client_calls
from support.client_calls import CALLS, KILLED, Sites
from support.crash import (
    NOTHING,
    WHOLE,
    WORLDS,
    Failing,
    Killing,
    OutOfRoom,
    OverQuota,
    State,
    Traced,
    entries,
    fast_folder,
    go,
    record,
    row,
    sample,
)

# So many points of each call and kind are tried in the quick form.
POINTS = 3
# Names that differ from run to run, and times in contents.
RANDOM = re.compile(r"[0-9a-f]{32}|(?<=__)\d{10,}")
TIMES = re.compile(rb'("(?:id|created_at|created|_saved)": )"[^"]*"')


class Client:
    """A process that runs calls; if it is traced, its changes below a place are asked about."""

    def __init__(self, place: Path, sites: Sites, *, traced: bool) -> None:
        command = [sys.executable, client_calls.__file__, str(place), json.dumps(sites)]
        path = os.pathsep.join(sys.path)
        environment = {**os.environ, "PYTHONPATH": path, "SELENITE_PROGRESS": "off"}
        streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.traced: Traced | None = None
        if traced:
            self.traced = Traced(place, command, env=environment, **streams)
            self.process = self.traced.process
        else:
            self.process = subprocess.Popen(command, env=environment, **streams)
        self.answer()

    def answer(self) -> str:
        """Nothing, or what went wrong."""
        assert self.process.stdout is not None
        line: bytes = self.process.stdout.readline()
        assert line.endswith(b"\n"), "the process ended"
        return line.decode().strip()

    def run(self, name: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n".encode())
        self.process.stdin.flush()
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        if self.traced is None:
            self.process.wait(60)
        else:
            self.traced.wait()
        self.process.stdout.close()


@dataclass(frozen=True)
class Ground:
    """A place for files, the servers, and clients at work there."""

    place: Path
    sites: Sites
    client: Client
    other: Client

    @property
    def traced(self) -> Traced:
        assert self.client.traced is not None
        return self.client.traced


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="crash-", dir=fast_folder()))
    place = folder / "place"
    with (
        client_calls.serving(folder / "sites", place / "staging") as sites,
        Client(place, sites, traced=True) as client,
        Client(place, sites, traced=False) as other,
    ):
        yield Ground(place, sites, client, other)
    shutil.rmtree(folder)


def shape(place: Path) -> dict[str, Any]:
    """Files and links by their names, without what differs from run to run."""
    found: dict[str, Any] = {}
    for path, about in files(place):
        full, name = place / path, path.rsplit("/", 1)[-1]
        if name.endswith("LOCK") or is_unfinished(path):
            continue
        if stat.S_ISLNK(about.st_mode):
            found[path] = os.readlink(full)
        elif stat.S_ISREG(about.st_mode):
            content = full.read_bytes()
            if name.endswith(".json"):
                content = TIMES.sub(rb"\1", content)
            found.setdefault(RANDOM.sub("*", path), []).append(content)
    return found


def files(place: Path) -> Iterator[tuple[str, os.stat_result]]:
    """All but the staging directory: a copy that a dead client has left there may be read."""
    return ((path, about) for path, about in entries(place) if not path.startswith("staging/"))


def is_unfinished(path: str) -> bool:
    return any(
        "tmp-" in part or ".part" in part or part.startswith(".tmp") for part in path.split("/")
    )


def without_notes(found: dict[str, Any]) -> dict[str, Any]:
    """All but what a call notes for the next one."""
    return {path: of for path, of in found.items() if not path.startswith("state/")}


def leftovers(place: Path) -> list[str]:
    return [path for path, _ in files(place) if is_unfinished(path)]


class Trial:
    """One call: what it makes, and what is wrong after each end."""

    def __init__(self, ground: Ground, name: str, lacking: Mapping[str, int] = NOTHING) -> None:
        self.ground, self.place, self.name = ground, ground.place, name
        ground.traced.lacking = lacking
        # Only who is traced lacks something.
        self.repeating = ground.client if lacking else ground.other
        self.wrong: list[str] = []
        self.ready()
        self.before = shape(self.place)
        copies = Path(tempfile.mkdtemp(dir=self.place.parent))
        answer, self.recording = record(
            ground.traced, self.place, copies, lambda: ground.client.run(name)
        )
        assert answer == ""
        self.after = shape(self.place)
        assert leftovers(self.place) == []

    def ready(self) -> None:
        shutil.rmtree(self.place)
        (self.place / "staging").mkdir(parents=True)
        (self.place / "staging").chmod(0o1777)
        CALLS[self.name].prepare(self.place, self.ground.sites)

    def look(self, point: str, *, power_failed: bool = False) -> None:
        """Whether a file is there by half."""
        for path, found in without_notes(shape(self.place)).items():
            known = [*as_list(self.before.get(path)), *as_list(self.after.get(path))]
            if not power_failed and any(one not in known for one in as_list(found)):
                self.wrong.append(f"{point}: {path} is there by half")

    def repeat(self, point: str) -> None:
        if fault := self.repeating.run(self.name):
            self.wrong.append(f"{point}: the same call fails: {fault}")
            return
        found = shape(self.place)
        if found != self.after:
            paths = [path for path in found | self.after if found.get(path) != self.after.get(path)]
            self.wrong.append(f"{point}: in the end {paths} differ")
        if left := leftovers(self.place):
            self.wrong.append(f"{point}: left in the end: {left}")

    def cut(self, kind: str, state: State) -> None:
        point = f"{kind} {state.number} before {state.call}"
        state.restore(self.place, power_failed=kind == "lost")
        self.look(point, power_failed=kind == "lost")
        self.repeat(point)

    def kill(self, kind: str, number: int) -> bool:
        """Kill a call, while the services stay as they are; False if nothing is lost by that."""
        self.ready()
        self.ground.traced.ask = killing = Killing(number)
        try:
            answer = self.ground.client.run(self.name)
        finally:
            self.ground.traced.ask = go
        if answer != KILLED:
            # It was done with less.
            assert (answer, shape(self.place)) == ("", self.after)
            return False
        lost = killing.disk.lost(self.place)
        if kind == "lost":
            for path in lost:
                os.truncate(self.place / path, 0)
        point = f"{kind} {number} before {killing.hit}"
        if kind == "kill" or lost:
            self.look(point, power_failed=kind == "lost")
            self.repeat(point)
        return kind == "kill" or bool(lost)

    def fail(self, failing: Failing) -> None:
        self.ready()
        self.ground.traced.ask = failing
        try:
            answer = self.ground.client.run(self.name)
        finally:
            self.ground.traced.ask = go
        if failing.hit is None:
            return
        point = f"errno {errno.errorcode[failing.code]} {failing.number} at {failing.hit}"
        self.look(point)
        # A note that stays is for the next call.
        if answer == "" and without_notes(shape(self.place)) != without_notes(self.after):
            self.wrong.append(f"{point}: succeeded, but not with what it makes without faults")
        if answer != "" and CALLS[self.name].is_one_step and shape(self.place) != self.before:
            self.wrong.append(f"{point}: failed ({answer}), and changed something")
        self.repeat(point)


def as_list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


CUTS = [
    (name, world)
    for name, call in CALLS.items()
    for world in (WORLDS if WHOLE else [""])
    if not (call.needs_links and world == "no links")
]


@pytest.mark.parametrize(("name", "world"), CUTS)
def test_a_cut_leaves_no_file_by_half(ground: Ground, name: str, world: str) -> None:
    began = time.monotonic()
    trial = Trial(ground, name, WORLDS[world])
    for kind in ("kill", "lost"):
        known, count = len(trial.wrong), len(trial.recording.states)
        if CALLS[name].goes_on:
            tried = sum(trial.kill(kind, number) for number in sample(range(1, count), POINTS))
        else:
            states = trial.recording.points(kind)
            if kind == "kill":
                # Who has returned has nothing to go on with.
                states = [state for state in states if state.call is not None]
            # The last one is lost when the call has returned: a cache is not promised to be on disk
            # then, but not to be taken for more than it is.
            points = sample(states, POINTS)
            for state in points:
                trial.cut(kind, state)
            tried = len(points)
        found = len(trial.wrong) - known
        shown, took = f"{kind}, {world}" if world else kind, f"{time.monotonic() - began:.1f}"
        row("client", name, shown, count, tried, found, took)
    assert not trial.wrong, "\n".join(trial.wrong)


if WHOLE:
    FAULTS = {
        "EIO": (Failing, errno.EIO),
        "ENOSPC": (OutOfRoom, errno.ENOSPC),
        "EDQUOT": (OverQuota, errno.EDQUOT),
    }

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("name", CALLS)
    def test_a_failing_call_leaves_no_file_by_half(ground: Ground, name: str, fault: str) -> None:
        began = time.monotonic()
        trial = Trial(ground, name)
        kind, number = FAULTS[fault]
        for count in range(1, 10_000):
            failing = kind(count, number)
            trial.fail(failing)
            if failing.hit is None:
                break
        found, took = len(trial.wrong), f"{time.monotonic() - began:.1f}"
        row("client", name, fault, count - 1, count - 1, found, took)
        assert not trial.wrong, "\n".join(trial.wrong)
