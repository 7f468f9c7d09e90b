"""The service is killed at random moments; nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from selenite.testing import GypsumServer
from support import gypsum
from support.gypsum import Api, entry, put
from support.kills import ROUNDS


def kill(running: GypsumServer) -> None:
    assert running._process is not None
    running._process.kill()
    running._process.wait()
    running.stop()


def test_a_kill_during_a_put_leaves_nothing_of_it(tmp_path: Path) -> None:
    content = b"x" * 4_000_000
    running = gypsum.server(tmp_path / "registry").start()
    api = gypsum.api(running)
    api.create("p")
    session = api.session("p/a/v1", [entry("d/x", content)])
    presigned = session.presign()
    parts = presigned["url"].removeprefix(api.url)
    head = (
        f"PUT {parts} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n"
        f"Content-MD5: {presigned['md5sum_base64']}\r\n\r\n"
    )
    port = int(api.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode() + content[:3_000_000])
        kill(running)
    version = tmp_path / "registry/p/a/v1"
    assert sorted(path.name for path in version.rglob("*")) == ["..manifest", "..summary"]
    with gypsum.server(tmp_path / "registry") as again:
        # The session goes on where it was; its URLs are new ones.
        session = gypsum.Session(gypsum.api(again), session.started)
        assert put({**presigned, "url": session.api.url + parts}, content).status == 403
        assert session.put(content).status == 200
        assert session.complete().status == 200


def test_what_a_dead_process_has_noted_is_finished(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    with gypsum.server(registry) as running:
        api = gypsum.api(running)
        api.create("p")
        api.upload("p/a/v1", {"x": b"123"})
    lock = (
        '{"session_hash":"x","asset":"","version":"","ending":{"writes":[["p/..usage",{"total":0}]],'
        '"deletes":["p/a/..latest"],"removed":"p/a/v1"}}'
    )
    (registry / "p/..LOCK").write_text(lock)
    with gypsum.server(registry) as running:
        api = gypsum.api(running)
        assert api.start("p/a/v1", []).status == 200
        assert api.read("p/..usage") == {"total": 0}
        assert not (registry / "p/a/v1/x").exists()


class Life:
    """A client that uploads, completes, aborts and removes, and knows what it was promised."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chance = random.Random(name)
        self.promised: dict[str, dict[str, bytes]] = {}
        self.unknown: set[str] = set()
        self.count = 0

    def step(self, api: Api) -> None:
        if self.promised and self.chance.random() < 0.2:
            version = self.chance.choice(sorted(self.promised))
            del self.promised[version]
            self.unknown.add(version)
            path = f"/remove/{self.name}/a/{version}"
            assert api.admin("DELETE", path).status == 200
            self.unknown.discard(version)
            return
        self.count += 1
        version = f"v{self.count}"
        contents = {
            f"d{number % 2}/f{number}": self.chance.randbytes(self.chance.choice([0, 10, 300_000]))
            for number in range(4)
        }
        self.unknown.add(version)
        session = api.session(
            f"{self.name}/a/{version}", [entry(*pair) for pair in contents.items()]
        )
        for index, content in enumerate(contents.values()):
            assert session.put(content, index).status == 200
        if self.chance.random() < 0.2:
            assert session.abort().status == 200
        else:
            assert session.complete().status == 200
            self.promised[version] = contents
        self.unknown.discard(version)

    def run(self, api: Api, until: Callable[[], bool]) -> None:
        with suppress(OSError, http.client.HTTPException):
            while not until():
                self.step(api)

    def check(self, api: Api) -> None:
        """What was promised is there, and the rest is whole or not there."""
        assert api.admin("DELETE", f"/unlock/{self.name}").status == 200
        for version in sorted(self.unknown):
            summary = api.get(f"{self.name}/a/{version}/..summary")
            if summary.status != 200 or "upload_finish" not in summary.json():
                path = f"/remove/{self.name}/a/{version}"
                assert api.admin("DELETE", path).status == 200
                # What never was complete was not counted, but is subtracted.
                assert api.admin("POST", f"/refresh/usage/{self.name}").status == 200
        self.unknown.clear()
        prefix = f"{self.name}/a/"
        there = {key[len(prefix) : -1] for key in api.listed(prefix) if key.endswith("/")}
        assert there >= self.promised.keys()
        total = 0
        for version in there:
            manifest: dict[str, Any] = api.read(f"{prefix}{version}/..manifest")
            for path, described in manifest.items():
                content = api.get(f"{prefix}{version}/{path}").body
                assert hashlib.md5(content).hexdigest() == described["md5sum"]
                total += len(content)
            if version in self.promised:
                assert manifest.keys() == self.promised[version].keys()
        assert api.read(f"{self.name}/..usage") == {"total": total}
        if there:
            assert api.read(f"{prefix}..latest")["version"] in there
        assert not list((api.registry / self.name).rglob("..tmp-*"))
        self.promised = {
            version: self.promised.get(version, {}) or self.contents(api, version)
            for version in there
        }

    def contents(self, api: Api, version: str) -> dict[str, bytes]:
        prefix = f"{self.name}/a/{version}/"
        return {path: api.get(prefix + path).body for path in api.read(f"{prefix}..manifest")}


@pytest.mark.parametrize(("number", "kills"), ROUNDS)
def test_nothing_acknowledged_is_lost(tmp_path: Path, number: int, kills: int) -> None:
    chance = random.Random(number)
    lives = [Life(f"{project}{number}") for project in "pqr"]
    running = gypsum.server(tmp_path / "registry").start()
    for life in lives:
        gypsum.api(running).create(life.name)
    for turn in range(kills):
        dead = threading.Event()
        api = gypsum.api(running)
        threads = [threading.Thread(target=life.run, args=(api, dead.is_set)) for life in lives]
        for thread in threads:
            thread.start()
        dead.wait(chance.uniform(0.02, 0.3))
        kill(running)
        dead.set()
        for thread in threads:
            thread.join()
        running = gypsum.server(tmp_path / "registry").start()
        try:
            for life in lives:
                life.check(gypsum.api(running))
        except BaseException:
            running.stop()
            print(f"after kill {turn}")
            raise
    running.stop()
    assert sum(life.count for life in lives) > kills
