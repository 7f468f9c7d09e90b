"""Every action of the Gobbler service, cut off at every call that changes something.

After the next start the registry is as before or as after, sound, and holds nothing of the attempt;
the same request succeeds then. `README.md` says how it is done.
"""

from __future__ import annotations

import errno
import getpass
import itertools
import json
import os
import shutil
import signal
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.crash import (
    NOTHING,
    WHOLE,
    WORLDS,
    Failing,
    OutOfRoom,
    OverQuota,
    Server,
    State,
    entries,
    fast_folder,
    go,
    record,
    replace,
    row,
    sample,
)
from support.service import Answer, Gobbler, exchange
from support.sound import faults, names
from support.tree import EMPTY, Link, Tree, make

# So many points of each action are tried in the quick form, of one in so many that are kept.
POINTS = 3
EVERY = 1 if WHOLE else 5
BIG = bytes(range(256)) * 300
FILES: Tree = {"a.txt": "hello", "d/b.bin": BIG, "d/e/c.txt": "c" * 5000, ".hidden": "h"}


@dataclass(frozen=True)
class Action:
    """A request, and how the registry is made ready for it."""

    action: str
    payload: dict[str, Any]
    prepare: Callable[[Path], None] = lambda _: None
    is_administrator: bool = True
    # Whether a repeat does it once more, and logs that.
    logs_each_time: bool = False


def version(name: str, **more: Any) -> dict[str, Any]:
    return {"project": "p", "asset": "a", "version": name, **more}


def upload(**more: Any) -> dict[str, Any]:
    return version("v9", source="new", **more)


def write(place: Path, path: str, content: Any) -> None:
    Path(place, "registry", path).write_text(json.dumps(content))


def unindex(place: Path) -> None:
    """Take a file out of a manifest, and all links of its folder."""
    folder = place / "registry/p/a/v2"
    manifest = json.loads((folder / "..manifest").read_text())
    del manifest["new"]
    write(place, "p/a/v2/..manifest", manifest)
    (folder / "..links").unlink()


DOOMED = {"project": "p", "asset": "a", "version": "v1"}
ACTIONS = {
    "create": Action("create_project", {"project": "q", "permissions": {"owners": ["ann"]}}),
    "upload": Action("upload", upload()),
    "upload_consuming": Action("upload", upload(consume=True)),
    "upload_probational": Action("upload", upload(on_probation=True)),
    "upload_ignoring": Action("upload", upload(ignore_dot=True)),
    "upload_new_asset": Action("upload", {**upload(), "asset": "fresh"}),
    "upload_global": Action(
        "upload", {**upload(), "project": "gw", "asset": "fresh"}, is_administrator=False
    ),
    "approve": Action("approve_probation", version("v6")),
    "reject": Action("reject_probation", version("v6")),
    "delete_version": Action("delete_version", version("v5")),
    "delete_asset": Action("delete_asset", {"project": "p", "asset": "b"}),
    "delete_project": Action("delete_project", {"project": "z"}),
    "reroute": Action("reroute_links", {"to_delete": [DOOMED]}),
    "reroute_project": Action("reroute_links", {"to_delete": [{"project": "p"}]}),
    "reindex": Action("reindex_version", version("v2"), unindex, logs_each_time=True),
    "refresh_usage": Action(
        "refresh_usage", {"project": "p"}, lambda place: write(place, "p/..usage", {"total": 1})
    ),
    "refresh_latest": Action(
        "refresh_latest",
        {"project": "p", "asset": "a"},
        lambda place: write(place, "p/a/..latest", {"version": "v1"}),
    ),
    "permissions": Action(
        "set_permissions",
        {"project": "p", "permissions": {"owners": ["me", "bob"], "uploaders": [{"id": "carl"}]}},
    ),
    "permissions_asset": Action(
        "set_permissions", {"project": "p", "asset": "a", "permissions": {"owners": ["bob"]}}
    ),
    "permissions_new_asset": Action(
        "set_permissions", {"project": "p", "asset": "new", "permissions": {"owners": ["bob"]}}
    ),
    "validate": Action("validate_version", version("v2")),
}


@dataclass(frozen=True)
class Shape:
    """A registry as readers see it, without what differs from run to run."""

    files: dict[str, Any]
    logs: Counter[str]
    staging: dict[str, Any]

    def is_like(self, other: Shape, *, count_logs: bool = True) -> bool:
        """Whether the registries are equal."""
        logs = (self.logs, other.logs) if count_logs else (set(self.logs), set(other.logs))
        return self.files == other.files and logs[0] == logs[1]

    def unlike(self, other: Shape) -> str:
        """What differs between the registries, for people."""
        paths = sorted(self.files.keys() | other.files.keys())
        differing = [path for path in paths if self.files.get(path) != other.files.get(path)]
        return f"differs in {differing}, logs {self.logs - other.logs} {other.logs - self.logs}"


def shape(place: Path) -> Shape:
    found = Shape({}, Counter(), {})
    for top, files in (("registry", found.files), ("staging", found.staging)):
        for path, about in entries(place / top):
            full = place / top / path
            if path.startswith(("..LOCK", "..unanswered-", "request-")) or "/..LOCK" in path:
                continue
            if "..tmp-" in path:
                continue
            if stat.S_ISLNK(about.st_mode):
                files[path] = os.readlink(full)
            elif stat.S_ISDIR(about.st_mode):
                files[path] = oct(about.st_mode)
            elif path.startswith("..logs/"):
                found.logs[full.read_text()] += 1
            else:
                files[path] = (oct(about.st_mode), content(full))
    return found


def content(path: Path) -> Any:
    data = path.read_bytes()
    if path.name.startswith(".."):
        try:
            data = json.loads(data)
        except ValueError:
            return data
        if path.name == "..summary":
            return {**data, "upload_start": "", "upload_finish": ""}
    return data


def leftovers(place: Path, *, marks: bool) -> list[str]:
    """What is there for the service alone; `marks` are for requests that nobody was told of."""
    found = []
    for path, about in entries(place / "registry"):
        name = path.rsplit("/", 1)[-1]
        if (name.startswith("..") and "tmp" in name) or (
            marks and name.startswith("..unanswered-")
        ):
            found.append(path)
        elif marks and not stat.S_ISLNK(about.st_mode):
            found += [f"{path}: {mark}" for mark in os.listxattr(place / "registry" / path)]
    return found


def serving(
    place: Path,
    *,
    is_administrator: bool = True,
    traced: bool = False,
    lacking: Mapping[str, int] = NOTHING,
) -> Server:
    settings = {
        "registry": str(place / "registry"),
        "staging": str(place / "staging"),
        "administrators": [getpass.getuser()] if is_administrator else [],
        "durable": True,
    }
    return Server("gobbler", settings, place if traced or lacking else None, lacking)


def client(place: Path, server: Server) -> Gobbler:
    return Gobbler(str(place / "staging"), str(place / "registry"), server.url)


def source(place: Path) -> None:
    """What is uploaded: new files, known ones, links, empty ones."""
    registry = place / "registry"
    files = {**FILES, "d/b.bin": BIG[::-1], "more/deep/f": "q" * 70_000, "none": "", "void": EMPTY}
    links = {"local": Link("a.txt"), "far": Link(str(registry / "p/b/v1/only"))}
    make(place / "staging" / "new", {**files, **links})


@dataclass
class Ground:
    """A registry to begin from, and the place where each run works on a copy of it."""

    folder: Path
    begin: Path = field(init=False)
    place: Path = field(init=False)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Make the registry, at the place: links may tell it."""
        self.begin, self.place = self.folder / "begin", self.folder / "place"
        for name in ("registry", "staging"):
            (self.place / name).mkdir(parents=True)
        (self.place / "staging").chmod(0o1777)
        with serving(self.place) as server:
            gobbler = client(self.place, server)

            def ask(action: str, **payload: Any) -> None:
                answer = gobbler.request(action, payload)
                assert answer.status == 200, answer.body

            def send(project: str, asset: str, name: str, tree: Tree, **more: Any) -> None:
                folder = make(self.place / "staging" / "made", tree)
                names = {"project": project, "asset": asset, "version": name}
                ask("upload", **names, source="made", **more)
                shutil.rmtree(folder)
                summary = gobbler.path(project, asset, name, "..summary")
                known = json.loads(summary.read_text())
                known["upload_finish"] = f"2026-01-0{name[1:]}T00:00:00Z"
                summary.write_text(json.dumps(known))

            ask("create_project", project="p")
            ask("create_project", project="gw", permissions={"global_write": True})
            ask("create_project", project="z")
            send("p", "a", "v1", FILES)
            send("p", "a", "v2", {**FILES, "new": "new"})
            send("p", "a", "v3", {**FILES, "new": "newer", "x/y": "y"})
            send("p", "a", "v6", {**FILES, "probed": "p" * 100}, on_probation=True)
            send("p", "a", "v5", {**FILES, "last": "l"})
            send("p", "b", "v1", {"only": "b"})
            registry = self.place / "registry"
            inside: Tree = {"empty": EMPTY, "f": "zz", "l": Link(str(registry / "p/a/v1/a.txt"))}
            send("z", "y", "v1", inside)
            source(self.place)
            assert server.end(signal.SIGTERM) == 0
        assert faults(self.place / "registry") == []
        replace(self.begin, self.place)

    def ready(self, action: Action) -> None:
        """Begin again."""
        replace(self.place, self.begin)
        action.prepare(self.place)

    def request(self, action: Action, server: Server) -> Answer:
        """Send a request, whose file stays: it must not go while the place is copied."""
        name = f"request-{action.action}-{next(self.numbers)}"
        (self.place / "staging" / name).write_text(json.dumps(action.payload))
        return exchange(server.url, "POST", f"/new/{name}")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
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
        self.was_sound = faults(ground.place / "registry") == []
        with self.serving(traced=True) as server:

            def ask() -> Answer:
                answer = ground.request(action, server)
                assert server.end(signal.SIGTERM) == 0
                return answer

            copies = Path(tempfile.mkdtemp(dir=ground.folder))
            answer, self.recording = record(server.traced, ground.place, copies, ask, EVERY)
            assert answer.status == 200, answer.body
        self.after = shape(ground.place)
        self.sound = faults(ground.place / "registry")
        assert leftovers(ground.place, marks=True) == []

    def serving(self, *, traced: bool = False) -> Server:
        is_administrator = self.action.is_administrator
        options: dict[str, Any] = {"is_administrator": is_administrator, "lacking": self.lacking}
        return serving(self.ground.place, traced=traced, **options)

    def note(self, point: object, what: str) -> None:
        self.wrong.append(f"{point}: {what}")

    def cut(self, kind: str, state: State) -> None:
        """Look at what the next start makes of a state."""
        place, point = self.ground.place, f"{kind} {state.number} before {state.call}"
        state.restore(place, power_failed=kind == "lost")
        with self.serving() as server:
            found = shape(place)
            if found.is_like(self.before):
                if kind == "lost" and state.number > self.recording.durable_from:
                    self.note(point, "what was answered for is not kept")
                if found.staging != self.before.staging:
                    self.note(point, "the source is not what it was")
                if self.was_sound and faults(place / "registry"):
                    self.note(point, f"not sound: {faults(place / 'registry')}")
            elif not found.is_like(self.after):
                self.note(point, f"neither before nor after: {found.unlike(self.before)}")
            if left := leftovers(place, marks=False):
                self.note(point, f"left after the start: {left}")
            if state.call is not None:
                self.repeat(point, server)
            elif not found.is_like(self.after):
                self.note(point, "what was answered for is not kept")

    def repeat(self, point: str, server: Server) -> None:
        """Send the same request again: it succeeds, and all is as if it had been the first."""
        place = self.ground.place
        answer = self.ground.request(self.action, server)
        if answer.status != 200:
            self.note(point, f"the repeat is refused: {answer.reason}")
            return
        found = shape(place)
        if not found.is_like(self.after, count_logs=not self.action.logs_each_time):
            self.note(point, f"not as it should be in the end: {found.unlike(self.after)}")
        if faults(place / "registry") != self.sound:
            self.note(point, f"not sound in the end: {faults(place / 'registry')}")
        # The last thing goes when the answer is on its way.
        end = time.monotonic() + 20
        while (left := leftovers(place, marks=True)) and time.monotonic() < end:
            pass
        if left:
            self.note(point, f"left in the end: {left}")
        if self.action.is_administrator and not self.sound:
            self.validate(point, server)

    def validate(self, point: str, server: Server) -> None:
        registry, gobbler = self.ground.place / "registry", client(self.ground.place, server)
        for project in names(registry):
            for asset in names(registry / project):
                for name in names(registry / project / asset):
                    named = {"project": project, "asset": asset, "version": name}
                    answer = gobbler.request("validate_version", named)
                    if answer.status != 200:
                        self.note(point, f"{named} is not valid: {answer.reason}")

    def fail(self, server: Server, failing: Failing) -> None:
        """Let one call fail, and look at what is left, answered and repeated."""
        ground, place = self.ground, self.ground.place
        ground.ready(self.action)
        server.traced.ask = failing
        try:
            answer = ground.request(self.action, server)
        finally:
            server.traced.ask = go
        if failing.hit is None:
            return
        point = f"errno {errno.errorcode[failing.code]} {failing.number} at {failing.hit}"
        found, left = shape(place), leftovers(place, marks=False)
        if answer.status != 200:
            if not found.is_like(self.before):
                what = found.unlike(self.before)
                self.note(point, f"refused ({answer.reason}), and changed: {what}")
            if found.staging != self.before.staging:
                self.note(point, "the source of a refused request is not what it was")
        elif not found.is_like(self.after):
            self.note(point, f"answered with success, but {found.unlike(self.after)}")
        if left:
            self.start(point, found)
        if answer.status != 200:
            self.repeat(point, server)

    def start(self, point: str, found: Shape) -> None:
        """The next start takes away what is left, and changes nothing else."""
        place = self.ground.place
        with self.serving():
            if not shape(place).is_like(found):
                self.note(point, f"the next start changes: {shape(place).unlike(found)}")
            if left := leftovers(place, marks=False):
                self.note(point, f"left after the start: {left}")


def told(name: str, kind: str, counts: tuple[int, int], trial: Trial, began: float) -> None:
    """Add a row to the table: of how many points how many were tried."""
    row("Gobbler", name, kind, *counts, len(trial.wrong), f"{time.monotonic() - began:.1f}")


@pytest.mark.parametrize("world", WORLDS if WHOLE else [""])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_cut_leaves_all_or_nothing(ground: Ground, name: str, world: str) -> None:
    trial = Trial(ground, ACTIONS[name], WORLDS[world])
    for kind in ("kill", "lost"):
        began = time.monotonic()
        points = sample(trial.recording.points(kind), POINTS)
        for state in points:
            trial.cut(kind, state)
        shown = f"{kind}, {world}" if world else kind
        told(name, shown, (trial.recording.count, len(points)), trial, began)
    assert not trial.wrong, "\n".join(trial.wrong)


FAULTS = {
    "EIO": (Failing, errno.EIO),
    "ENOSPC": (OutOfRoom, errno.ENOSPC),
    "EDQUOT": (OverQuota, errno.EDQUOT),
}

if WHOLE:
    # Each needs a run of its own: too much for the quick form.
    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("name", ACTIONS)
    def test_a_failing_call_changes_nothing(ground: Ground, name: str, fault: str) -> None:
        began = time.monotonic()
        trial = Trial(ground, ACTIONS[name])
        kind, code = FAULTS[fault]
        with trial.serving(traced=True) as server:
            for count in itertools.count(1):
                failing = kind(count, code)
                trial.fail(server, failing)
                if failing.hit is None:
                    break
        told(name, fault, (count - 1, count - 1), trial, began)
        assert not trial.wrong, "\n".join(trial.wrong)
