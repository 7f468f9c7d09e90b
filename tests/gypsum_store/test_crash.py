"""A service on a bucket, killed or failed at each of its requests to the store.

What a dead service has locked is carried out, or set free, by the next one after a quarter of an
hour; then all is as before or as after, and the same request succeeds.
"""

from __future__ import annotations

import http.client
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from selenite.testing import GypsumServer
from support import gypsum
from support.crash import WHOLE, row, sample
from support.gypsum import Api
from support.gypsum_actions import ACTIONS, Action, Sessions, Shape, fill, shape
from support.s3 import Fault, Store, one_at_a_time, serving
from support.service import Answer, wait_until

# What a service does in a bucket alone, and what the store does itself, is not among these.
NAMES = sorted(ACTIONS.keys() - {"archive", "create_in_folder", "put"})
if not WHOLE:
    NAMES = ["abort", "approve", "complete", "create", "remove_latest", "remove_project", "start"]
# So many points of each action are tried in the quick form.
POINTS = 2
HOUR = 3600


@dataclass
class Faults:
    """Does something at the how manyth request to the store."""

    number: int = 0
    act: Callable[[], Fault] = str
    count: int = 0

    def arm(self, number: int = 0, act: Callable[[], Fault] = str) -> None:
        """Count anew, and do something at that request."""
        self.count, self.number, self.act = 0, number, act

    def __call__(self) -> Fault:
        self.count += 1
        return self.act() if self.count == self.number else ""


@dataclass
class Ground:
    """A bucket to begin from, and a service on it."""

    store: Store
    place: str
    faults: Faults
    begin: Path
    sessions: Sessions = field(default_factory=dict)
    # How many requests to the store the last one was.
    asked: int = 0

    @contextmanager
    def serving(self) -> Iterator[GypsumServer]:
        """A service that has looked at all projects: what a start asks for is no action's."""
        self.faults.arm()
        files = [path for path in self.store.directory.rglob("*") if path.is_file()]
        tops = {path.relative_to(self.store.directory).parts[0] for path in files}
        projects = [name for name in tops if not name.startswith(".")]
        with gypsum.server(store=self.place) as running:
            wait_until(lambda: self.faults.count > len(projects), "each project was looked at")
            yield running

    def request(self, action: Action, running: GypsumServer) -> Answer:
        """Send a request; no fault that it is armed for outlives it."""
        api = Api(running.url, self.store.directory)
        try:
            answer = action.act(self.sessions, api)
        finally:
            self.asked = self.faults.count
            self.faults.arm()
        action.use(api, answer)
        return answer

    def ready(self) -> None:
        """Begin again."""
        shutil.rmtree(self.store.directory)
        shutil.copytree(self.begin, self.store.directory)

    def shape(self) -> Shape:
        found = shape(self.store.directory)
        # What this store keeps its objects in is nothing that others see.
        files = {path: about for path, about in found.files.items() if about != "folder"}
        return Shape(files, found.logs)

    def age(self) -> None:
        """Let a quarter of an hour pass for all locks."""
        past = time.time() - HOUR
        for lock in self.store.directory.rglob("..LOCK"):
            os.utime(lock, (past, past))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder, faults = tmp_path_factory.mktemp("store"), Faults()
    with serving(folder) as store, one_at_a_time(store, faults) as place:
        ground = Ground(store, place, faults, folder / "begin")
        with ground.serving() as running:
            ground.sessions = fill(Api(running.url, store.directory))
        shutil.copytree(store.directory, ground.begin)
        yield ground


class Trial:
    """One action: what it makes of the bucket, and what is wrong after each fault."""

    def __init__(self, ground: Ground, name: str) -> None:
        self.ground, self.action = ground, ACTIONS[name]
        self.wrong: list[str] = []
        self.begin()
        self.before = ground.shape()
        with ground.serving() as running:
            ground.faults.arm()
            assert ground.request(self.action, running).status == 200
            self.count = ground.asked
        self.after = ground.shape()

    def begin(self) -> None:
        self.ground.ready()
        self.action.prepare(self.ground.store.directory)

    def kill(self, number: int, *, is_done: bool) -> None:
        """Kill the service before a request to the store is done, or before its answer comes."""
        ground = self.ground
        self.begin()
        with ground.serving() as running:

            def kill() -> str:
                assert running._process is not None
                running._process.kill()
                running._process.wait()
                return "drop"

            ground.faults.arm(number, (lambda: kill) if is_done else kill)
            answer = None
            with suppress(OSError, http.client.HTTPException):
                answer = ground.request(self.action, running)
        if answer is None:
            self.repeat(f"killed {'after' if is_done else 'before'} request {number}")
        else:
            # It was done with less.
            assert ground.shape() == self.after, answer

    def fail(self, number: int, how: str) -> None:
        ground, point = self.ground, f"{how} at request {number}"
        self.begin()
        with ground.serving() as running:
            ground.faults.arm(number, lambda: how)
            answer = ground.request(self.action, running)
        found = ground.shape()
        if answer.status == 200 and found != self.after:
            self.wrong.append(f"{point}: answered, but {found.unlike(self.after)}")
        if answer.status != 200:
            if found != self.before and not is_locked(found):
                self.wrong.append(f"{point}: {answer.reason}, but {found.unlike(self.before)}")
            self.repeat(point)

    def repeat(self, point: str) -> None:
        """Let others settle it, and send the same request again."""
        ground = self.ground
        ground.age()
        with ground.serving() as running:
            answer = ground.request(self.action, running)
        found = ground.shape()
        if answer.status != 200:
            self.wrong.append(f"{point}: the repeat is refused: {answer.reason}")
        elif found not in (self.after, self.after.with_removals_told_twice()):
            self.wrong.append(f"{point}: in the end {found.unlike(self.after)}")


def is_locked(found: Shape) -> bool:
    """Whether something is noted that will be carried out."""
    return any(path.endswith("/..LOCK") and lock[2] for path, lock in found.files.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_service_leaves_all_or_nothing(ground: Ground, name: str) -> None:
    trial = Trial(ground, name)
    # What was done before the last is not done before the next.
    points = [*((number, False) for number in range(1, trial.count + 1)), (trial.count, True)]
    tried = sample(points, POINTS)
    for number, is_done in tried:
        trial.kill(number, is_done=is_done)
    row("gypsum on S3", name, "kill", len(points), len(tried), len(trial.wrong), "-")
    assert not trial.wrong, "\n".join(trial.wrong)


# The quick form has one that ends with a claim alone.
FAILING = (
    list(itertools.product(NAMES, ["refuse", "lose"])) if WHOLE else [("refresh_usage", "refuse")]
)


@pytest.mark.parametrize(("name", "how"), FAILING)
def test_a_failing_request_changes_nothing(ground: Ground, name: str, how: str) -> None:
    trial = Trial(ground, name)
    numbers = sample(range(1, trial.count + 1), POINTS)
    for number in numbers:
        trial.fail(number, how)
    row("gypsum on S3", name, how, trial.count, len(numbers), len(trial.wrong), "-")
    assert not trial.wrong, "\n".join(trial.wrong)
