"""Every action of the gypsum service on a directory, cut off at every call that changes something.

After the next start the registry is as before or as after, sound, and holds nothing of the attempt;
the same request succeeds then. `README.md` says how it is done.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import gypsum
from support.crash import (
    NOTHING,
    WHOLE,
    WORLDS,
    Call,
    Failing,
    OutOfRoom,
    OverQuota,
    Server,
    State,
    fast_folder,
    go,
    record,
    replace,
    row,
    sample,
)
from support.gypsum import Api
from support.gypsum_actions import (
    ACTIONS,
    Action,
    Sessions,
    Shape,
    fill,
    is_settled,
    leftovers,
    shape,
)
from support.service import Answer, wait_until
from support.sound import faults

# So many points of each action and kind are tried in the quick form, of one in so many that are
# kept.
POINTS = 3
EVERY = 1 if WHOLE else 5


@dataclass
class Ground:
    """A registry to begin from, and the place where each run works on a copy of it."""

    folder: Path
    begin: Path = field(init=False)
    place: Path = field(init=False)
    sessions: Sessions = field(init=False)

    def __post_init__(self) -> None:
        """Make the registry."""
        self.begin, self.place = self.folder / "begin", self.folder / "place"
        self.place.mkdir()
        tokens = self.folder / "tokens"
        users = {
            token: {"login": user, "organizations": []} if isinstance(user, str) else user
            for token, user in gypsum.TOKENS.items()
        }
        tokens.write_text(json.dumps(users))
        tokens.chmod(0o600)
        with self.serving() as server:
            self.sessions = fill(self.api(server))
            assert server.end(signal.SIGTERM) == 0
        replace(self.begin, self.place)

    def api(self, server: Server) -> Api:
        return Api(server.url, self.place)

    def ready(self, action: Action) -> None:
        """Begin again."""
        replace(self.place, self.begin)
        action.prepare(self.place)

    def traced(self, action: Action, lacking: Mapping[str, int] = NOTHING) -> Server:
        """Begin again, with a service that has nothing to settle any more."""
        self.ready(action)
        left = self.place / "p" / "..tmp-left-1"
        left.touch()
        server = self.serving(traced=True, lacking=lacking)
        lock = self.place / "..LOCK"
        wait_until(lambda: not left.exists() and not lock.exists(), "the registry is settled")
        return server

    def serving(self, *, traced: bool = False, lacking: Mapping[str, int] = NOTHING) -> Server:
        settings = {
            "registry": str(self.place),
            "tokens": str(self.folder / "tokens"),
            "administrators": gypsum.ADMINS,
            "durable": True,
        }
        return Server("gypsum", settings, self.place if traced or lacking else None, lacking)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="crash-", dir=fast_folder()))
    old = os.umask(0o022)
    yield Ground(folder)
    os.umask(old)
    shutil.rmtree(folder)


class Trial:
    """One action: what it makes of the registry, and what is wrong after each end."""

    def __init__(
        self, ground: Ground, action: Action, lacking: Mapping[str, int] = NOTHING
    ) -> None:
        self.ground, self.action, self.lacking = ground, action, lacking
        self.wrong: list[str] = []
        ground.ready(action)
        self.before = shape(ground.place)
        self.faults_before = faults(ground.place, with_links=False)
        with ground.traced(action, lacking) as server:
            copies = Path(tempfile.mkdtemp(dir=ground.folder))
            answer, self.recording = record(
                server.traced, ground.place, copies, lambda: self.request(server), EVERY
            )
            assert answer.status == 200, answer.body
            assert server.end(signal.SIGTERM) == 0
        self.after = shape(ground.place)
        self.faults_after = faults(ground.place, with_links=False)
        assert leftovers(ground.place, receipts=True) == []

    def request(self, server: Server) -> Answer:
        api = self.ground.api(server)
        answer = self.action.act(self.ground.sessions, api)
        self.action.use(api, answer)
        return answer

    def note(self, point: object, what: str) -> None:
        self.wrong.append(f"{point}: {what}")

    def cut(self, kind: str, state: State) -> None:
        """Look at what the next start makes of a state."""
        place, point = self.ground.place, f"{kind} {state.number} before {state.call}"
        state.restore(place, power_failed=kind == "lost")
        with self.ground.serving(lacking=self.lacking) as server:
            self.settle(point)
            found = shape(place)
            if self.is_undone(found):
                if kind == "lost" and state.number > self.recording.durable_from:
                    self.note(point, "what was answered for is not kept")
                if faults(place, with_links=False) != self.faults_before:
                    self.note(point, f"not sound: {faults(place, with_links=False)}")
            elif found != self.after:
                self.note(point, f"neither before nor after: {found.unlike(self.before)}")
            # Without a call, it was answered.
            if state.call is not None or found != self.after:
                self.repeat(point, server)

    def is_undone(self, found: Shape) -> bool:
        """Whether nothing was done, or only some of what is whole by itself."""
        is_some = self.action.is_stepwise and found.is_between(self.before, self.after)
        return found == self.before or (is_some and found != self.after)

    def settle(self, point: str) -> None:
        """Wait until the next start has taken away what was left."""
        place = self.ground.place
        try:
            wait_until(lambda: is_settled(place), "the registry is settled")
        except AssertionError:
            self.note(point, f"left after the start: {leftovers(place, receipts=False)}")

    def repeat(self, point: str, server: Server) -> None:
        """Send the same request again: it succeeds, and all is as if it had been the first."""
        place = self.ground.place
        answer = self.request(server)
        if answer.status != 200:
            self.note(point, f"the repeat is refused: {answer.reason}")
            return
        found = shape(place)
        if found not in (self.after, self.after.with_removals_told_twice()):
            self.note(point, f"not as it should be in the end: {found.unlike(self.after)}")
        if faults(place, with_links=False) != self.faults_after:
            self.note(point, f"not sound in the end: {faults(place, with_links=False)}")
        if left := leftovers(place, receipts=True):
            self.note(point, f"left in the end: {left}")

    def fail(self, server: Server, failing: Failing) -> None:
        """Let one call fail, and look at what is left, answered and repeated."""
        ground, place = self.ground, self.ground.place
        ground.ready(self.action)
        server.traced.ask = failing
        try:
            answer = self.request(server)
        finally:
            server.traced.ask = go
        if failing.hit is None:
            return
        point = f"errno {errno.errorcode[failing.code]} {failing.number} at {failing.hit}"
        found = shape(place)
        if answer.status != 200 and not self.is_undone(found):
            what = found.unlike(self.before)
            self.note(point, f"refused ({answer.reason}), and changed: {what}")
        if answer.status == 200 and found != self.after:
            self.note(point, f"answered with success, but {found.unlike(self.after)}")
        if leftovers(place, receipts=False):
            with ground.serving():
                self.settle(point)
            if shape(place) != found:
                self.note(point, f"the next start changes: {shape(place).unlike(found)}")
        if answer.status != 200:
            self.repeat(point, server)


@pytest.mark.parametrize("world", WORLDS if WHOLE else [""])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_cut_leaves_all_or_nothing(ground: Ground, name: str, world: str) -> None:
    began = time.monotonic()
    trial = Trial(ground, ACTIONS[name], WORLDS[world])
    for kind in ("kill", "lost"):
        points, known = sample(trial.recording.points(kind), POINTS), len(trial.wrong)
        for state in points:
            trial.cut(kind, state)
        count, found = trial.recording.count, len(trial.wrong) - known
        shown = f"{kind}, {world}" if world else kind
        row("gypsum", name, shown, count, len(points), found, f"{time.monotonic() - began:.1f}")
    assert not trial.wrong, "\n".join(trial.wrong)


FAULTS = {
    "EIO": (Failing, errno.EIO),
    "ENOSPC": (OutOfRoom, errno.ENOSPC),
    "EDQUOT": (OverQuota, errno.EDQUOT),
}
# The quick form has one of the shortest.
FAILING = list(itertools.product(ACTIONS, FAULTS)) if WHOLE else [("unlock", "EDQUOT")]


@pytest.mark.parametrize(("name", "fault"), FAILING)
def test_a_failing_call_changes_nothing(ground: Ground, name: str, fault: str) -> None:
    began = time.monotonic()
    trial = Trial(ground, ACTIONS[name])
    kind, number = FAULTS[fault]
    with ground.traced(ACTIONS[name]) as server:
        for count in itertools.count(1):
            failing = kind(count, number)
            trial.fail(server, failing)
            if failing.hit is None:
                break
    found, took = len(trial.wrong), f"{time.monotonic() - began:.1f}"
    row("gypsum", name, fault, count - 1, count - 1, found, took)
    assert not trial.wrong, "\n".join(trial.wrong)


class OfTheAsset(Failing):
    """Fails the removal of an asset's folder."""

    def is_meant(self, call: Call) -> bool:
        return call.name == "unlink" and call.path.endswith("/p/c")


def test_no_empty_asset_stays(ground: Ground) -> None:
    trial, failing = Trial(ground, ACTIONS["reject"]), OfTheAsset(1, errno.EIO)
    with ground.traced(ACTIONS["reject"]) as server:
        trial.fail(server, failing)
    assert failing.hit is not None
    assert not trial.wrong, "\n".join(trial.wrong)


def test_the_end_of_an_upload_takes_away_what_a_dead_service_was_receiving(ground: Ground) -> None:
    action = ACTIONS["complete"]
    ground.ready(action)
    left = ground.place / "complete/a/v2/..tmp-left-1"
    left.touch()
    with ground.serving() as server:
        assert action.act(ground.sessions, ground.api(server)).status == 200
    assert not left.exists()
