"""The actions of the gypsum service, to be cut off anywhere, and what readers see then."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.crash import entries
from support.gypsum import Api, Session, entry, packed
from support.service import Answer

FILES = {"a.txt": b"hello", "d/b": bytes(range(256)) * 300, "d/e/c": b"c" * 5000, "none": b""}
MORE = {"new": b"n" * 70_000, "x/y/z": b"z"}
LINK = {"project": "p", "asset": "b", "version": "v1", "path": "only"}


Sessions = dict[str, dict[str, Any]]
# Gets what was answered when the sessions were started that the registry has.
Act = Callable[[Sessions, Api], Answer]


@dataclass(frozen=True)
class Action:
    """A request, and what is done to the registry before."""

    act: Act
    prepare: Callable[[Path], None] = lambda _: None
    # What must be possible with what was answered.
    use: Callable[[Api, Answer], None] = lambda *_: None
    # Whether it is made of changes that are whole by themselves.
    is_stepwise: bool = False


def admin(method: str, path: str, body: Any = None) -> Act:
    return lambda _, api: api.admin(method, path, body)


def start(path: str, **more: Any) -> Action:
    def act(_: Sessions, api: Api) -> Answer:
        return api.start(path, described({**FILES, **MORE, "own": b"own"}), **more)

    def use(api: Api, answer: Answer) -> None:
        if answer.status == 200:
            # The token is good for something.
            Session(api, answer.json()).presign()

    return Action(act, use=use)


def described(files: dict[str, bytes]) -> list[dict[str, Any]]:
    link = {"type": "link", "path": "d/far", "link": LINK}
    return [*(entry(*file, "dedup") for file in files.items()), link]


def write(key: str, content: Any) -> Callable[[Path], None]:
    def prepare(registry: Path) -> None:
        (registry / key).write_text(json.dumps(content))

    return prepare


ACTIONS = {
    "create": Action(admin("POST", "/create/q", {"permissions": {"owners": ["ann"]}})),
    "create_in_folder": Action(
        admin("POST", "/create/q", {"quota": {"baseline": 5}}), lambda all_: (all_ / "q").mkdir()
    ),
    "permissions": Action(admin("PUT", "/permissions/p", {"owners": ["ann", "bob"]})),
    "quota": Action(admin("PUT", "/quota/p", {"baseline": 77})),
    "refresh_usage": Action(admin("POST", "/refresh/usage/p"), write("p/..usage", {"total": 1})),
    "refresh_latest": Action(
        admin("POST", "/refresh/latest/p/a"), write("p/a/..latest", {"version": "v1"})
    ),
    "refresh_latest_none": Action(
        admin("POST", "/refresh/latest/p/c"), write("p/c/..latest", {"version": "v1"})
    ),
    "unlock": Action(admin("DELETE", "/unlock/complete")),
    "remove_project": Action(admin("DELETE", "/remove/z")),
    "remove_asset": Action(admin("DELETE", "/remove/p/b")),
    "remove_version": Action(admin("DELETE", "/remove/p/a/v1")),
    "remove_latest": Action(admin("DELETE", "/remove/p/a/v2")),
    "approve": Action(admin("POST", "/probation/approve/p/c/v1")),
    "reject": Action(admin("POST", "/probation/reject/p/c/v1")),
    "start": start("p/a/v9"),
    "start_probational": start("p/a/v9", on_probation=True),
    "start_new_asset": start("p/fresh/v1"),
    "put": Action(lambda open_, api: Session(api, open_["put"]).put(MORE["x/y/z"], 1)),
    "archive": Action(
        lambda open_, api: Session(api, open_["put"]).send(packed(MORE.items())), is_stepwise=True
    ),
    "complete": Action(lambda open_, api: Session(api, open_["complete"]).complete()),
    "complete_probational": Action(lambda open_, api: Session(api, open_["probed"]).complete()),
    "abort": Action(lambda open_, api: Session(api, open_["complete"]).abort()),
}


@dataclass(frozen=True)
class Shape:
    """A registry as readers see it, without what differs from run to run."""

    files: dict[str, Any]
    logs: Counter[str]

    def unlike(self, other: Shape) -> str:
        """What differs between the registries, for people."""
        paths = sorted(self.files.keys() | other.files.keys())
        differing = [path for path in paths if self.files.get(path) != other.files.get(path)]
        return f"differs in {differing}, logs {self.logs - other.logs} {other.logs - self.logs}"

    def is_between(self, before: Shape, after: Shape) -> bool:
        """Whether some of the files have come that make the difference."""
        mine = self.files.items()
        return before.files.items() <= mine <= after.files.items() and self.logs == before.logs

    def with_removals_told_twice(self) -> Shape:
        """The same after two removals of a project: each is told to those who follow events."""
        removed = {text: 1 for text in self.logs if "delete-project" in text}
        return Shape(self.files, self.logs + Counter(removed))


def shape(registry: Path) -> Shape:
    found = Shape({}, Counter())
    for path, about in entries(registry):
        full, parts = registry / path, path.split("/")
        if "..tmp-" in path:
            continue
        if stat.S_ISDIR(about.st_mode):
            # Deeper ones are for files alone.
            if len(parts) <= 3 and parts[0] != "..logs":
                found.files[path] = "folder"
            continue
        content = full.read_bytes()
        if parts[0] == "..logs":
            found.logs[content.decode()] += 1
        elif not parts[-1].startswith(".."):
            found.files[path] = (oct(about.st_mode), content)
        elif parts[-1] == "..LOCK":
            if b"session_hash" in content:
                lock = json.loads(content)
                found.files[path] = (lock["asset"], lock["version"], "ending" in lock)
        elif parts[-1] != "..links" or is_finished(registry.joinpath(*parts[:3])):
            about_it = json.loads(content)
            times = {name: "" for name in about_it if name in ("upload_start", "upload_finish")}
            found.files[path] = (oct(about.st_mode), {**about_it, **times})
    return found


def is_finished(version: Path) -> bool:
    return b"upload_finish" in (version / "..summary").read_bytes()


def is_being_received(registry: Path, path: str) -> bool:
    """Whether it is in the folder of an upload, whose end takes it away."""
    version = registry.joinpath(*path.split("/")[:3])
    summary = version / "..summary"
    return path.count("/") == 3 and summary.exists() and not is_finished(version)


def leftovers(registry: Path, *, receipts: bool) -> list[str]:
    """What is there for the service alone; receipts are for requests that nobody was told of."""
    found = []
    for path, about in entries(registry):
        name = path.rsplit("/", 1)[-1]
        if "tmp" in name and not is_being_received(registry, path):
            found.append(path)
        if receipts and name == "..LOCK" and about.st_size:
            text = (registry / path).read_text()
            found += [f"{path}: {text}"] if "session_hash" not in text else []
    return found


def is_settled(registry: Path) -> bool:
    try:
        locks = [path.read_bytes() for path in registry.glob("*/..LOCK")]
        left = leftovers(registry, receipts=False)
    except FileNotFoundError:
        return False  # it is at work
    return not left and not any(b"ending" in lock for lock in locks)


def fill(api: Api) -> Sessions:
    """Make projects with all that the actions need; returns the sessions that stay open."""
    for project in ("p", "z", "put", "complete", "probed"):
        api.create(project)
    api.upload("p/a/v1", FILES)
    api.upload("p/a/v2", {**FILES, **MORE})
    api.upload("p/b/v1", {"only": b"b"})
    api.upload("p/c/v1", {"probed": b"p" * 100}, on_probation=True)
    api.upload("z/y/v1", {"f": b"zz", "d/g": b"g"})
    sessions = {}
    for project in ("put", "complete", "probed"):
        api.upload(f"{project}/a/v1", FILES)
        on_probation = project == "probed"
        files = described({**FILES, **MORE})
        session = api.session(f"{project}/a/v2", files, on_probation=on_probation)
        sessions[project] = session.started
        for index, content in enumerate(MORE.values()):
            if project != "put":
                assert session.put(content, index).status == 200
    return sessions
