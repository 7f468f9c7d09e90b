"""The service is killed at random moments; nothing acknowledged is lost."""

from __future__ import annotations

import datetime
import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.kills import ROUNDS
from support.service import Gobbler, Service
from support.tree import Manifest, Tree, make, read, total

CLIENTS = 4


@dataclass
class Expected:
    """A version that was acknowledged."""

    contents: dict[str, Any]
    probational: bool


@dataclass
class Client:
    """One client with assets of its own: what it was promised, and what it does not know yet."""

    name: str
    chance: random.Random
    versions: dict[str, Expected] = field(default_factory=dict)
    pending: tuple[str, dict[str, Any], Callable[[], None]] | None = None
    count: int = 0
    done: dict[str, int] = field(default_factory=dict)

    def names(self, version: str) -> dict[str, Any]:
        return {"project": "p", "asset": self.name, "version": version}

    def tree(self) -> Tree:
        """Some files, partly those of earlier versions, and now and then a big one."""
        files = {f"d{number % 3}/f{number}": f"{number}" * number for number in range(12)}
        files["own"] = f"{self.name} {self.count}"
        tree: dict[str, Any] = dict(files)
        if self.chance.random() < 0.5:
            tree["big"] = self.chance.randbytes(1024) * self.chance.choice([64, 1024, 4096])
        return tree

    def choose(self, gobbler: Gobbler) -> tuple[str, dict[str, Any], Callable[[], None]]:
        """The next request, and what is true once it is acknowledged."""
        version = self.chance.choice(sorted(self.versions)) if self.versions else None
        free = self.unlinked(gobbler)
        probational = [name for name, known in self.versions.items() if known.probational]
        dice = self.chance.random()
        if version is None or dice < 0.5:
            self.count += 1
            new = f"v{self.count}"
            source = make(Path(gobbler.staging, f"{self.name}-{new}"), self.tree())
            known = Expected(read(source), self.chance.random() < 0.3)
            request = {
                **self.names(new),
                "source": source.name,
                "on_probation": known.probational,
                "consume": self.chance.random() < 0.5,
            }
            return "upload", request, lambda: self.versions.update({new: known})
        if dice < 0.65 and free:
            gone = self.chance.choice(free)
            return "delete_version", self.names(gone), lambda: self.drop(gone)
        if dice < 0.8 or not probational:
            return "reindex_version", self.names(version), lambda: None
        decided = self.chance.choice(probational)
        if dice < 0.95:
            return "approve_probation", self.names(decided), lambda: self.approve(decided)
        return "reject_probation", self.names(decided), lambda: self.drop(decided)

    def unlinked(self, gobbler: Gobbler) -> list[str]:
        """The versions that no other one links to: only these may go without harm."""
        linked = set()
        for version in self.versions:
            manifest = gobbler.read("p", self.name, version, "..manifest")
            links = [entry["link"] for entry in manifest.values() if "link" in entry]
            linked |= {link["version"] for link in links}
            linked |= {link["ancestor"]["version"] for link in links if "ancestor" in link}
        return sorted(set(self.versions) - linked)

    def drop(self, version: str) -> None:
        del self.versions[version]

    def approve(self, version: str) -> None:
        self.versions[version].probational = False

    def work(self, gobbler: Gobbler, end: threading.Event) -> None:
        """Send requests until the service is gone."""
        while not end.is_set():
            action, request, then = self.pending = self.choose(gobbler)
            try:
                answer = gobbler.request(action, request)
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 200, (action, request, answer.body)
            then()
            self.done[action] = self.done.get(action, 0) + 1
            self.pending = None

    def repeat(self, gobbler: Gobbler) -> None:
        """Send the request that was not answered again; it succeeds, finished before or not."""
        if self.pending is None:
            return
        action, request, then = self.pending
        answer = gobbler.request(action, request)
        assert answer.status == 200, (action, request, answer.body)
        then()
        self.pending = None


def instant(gobbler: Gobbler, asset: str, version: str) -> datetime.datetime:
    summary = gobbler.read("p", asset, version, "..summary")
    return datetime.datetime.fromisoformat(summary["upload_finish"])


def visible(gobbler: Gobbler) -> dict[str, list[str]]:
    """The versions of each asset that a reader can find."""
    listed = gobbler.get("/list?path=p").json()
    assets = [name[:-1] for name in listed if name.endswith("/") and not name.startswith("..")]
    return {
        asset: [
            name[:-1]
            for name in gobbler.get(f"/list?path=p/{asset}").json()
            if name.endswith("/") and not name.startswith("..")
        ]
        for asset in assets
    }


def everything_validates(gobbler: Gobbler) -> None:
    for asset, versions in visible(gobbler).items():
        for version in versions:
            names = {"project": "p", "asset": asset, "version": version}
            answer = gobbler.request("validate_version", names)
            assert answer.status == 200, (names, answer.body)


def check(gobbler: Gobbler, clients: list[Client]) -> None:
    """Compare the registry with all that was promised."""
    assert {asset: sorted(found) for asset, found in visible(gobbler).items() if found} == {
        client.name: sorted(client.versions) for client in clients if client.versions
    }
    manifests: list[Manifest] = []
    for client in clients:
        for version, known in client.versions.items():
            found = read(gobbler.path("p", client.name, version), follow=True)
            assert found == known.contents, (client.name, version)
            summary = gobbler.read("p", client.name, version, "..summary")
            assert summary.get("on_probation", False) == known.probational
            manifests.append(gobbler.read("p", client.name, version, "..manifest"))
        approved = [name for name, known in client.versions.items() if not known.probational]
        latest = gobbler.path("p", client.name, "..latest")
        if approved:
            named = json.loads(latest.read_text())["version"]
            newest = max(instant(gobbler, client.name, version) for version in approved)
            assert named in approved
            assert instant(gobbler, client.name, named) == newest
        else:
            assert not latest.exists()
    usage = gobbler.read("p", "..usage")["total"]
    assert usage == sum(map(total, manifests))
    assert gobbler.request("refresh_usage", {"project": "p"}).json()["total"] == usage


@pytest.mark.parametrize(("number", "kills"), ROUNDS)
def test_nothing_acknowledged_is_lost_when_the_service_is_killed(
    serve: Callable[..., Service], number: int, kills: int
) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    # Default flags: what an administrator runs.
    service = serve(flags=[])
    gobbler = service.gobbler
    assert gobbler.request("create_project", {"project": "p"}).status == 200
    clients = [Client(f"a{number}", random.Random(seed + number)) for number in range(CLIENTS)]
    caught = 0
    for _ in range(kills):
        end = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            working = [pool.submit(client.work, gobbler, end) for client in clients]
            # The random moment is the subject of this test, not a fact to wait for.
            time.sleep(chance.uniform(0.005, 0.35))
            service.kill()
            end.set()
        for work in working:
            work.result()
        caught += sum(client.pending is not None for client in clients)
        gobbler = service.start()
        everything_validates(gobbler)
        for client in clients:
            client.repeat(gobbler)
        everything_validates(gobbler)
        check(gobbler, clients)
    done = {
        action: sum(client.done.get(action, 0) for client in clients)
        for action in ("upload", "delete_version", "reindex_version", "approve_probation")
    }
    print(f"round {number}: {kills} kills, {caught} requests cut off, answered before: {done}")
    assert caught > kills / 4
    leftovers = [path for path in service.registry.rglob("..tmp-*") if path.is_dir()]
    assert leftovers == []
