"""Thousands of malformed requests: each gets a clear refusal, and nothing happens."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from support.effort import cases
from support.gypsum import Api, entry, exchange

COUNT = cases(4000)
NAMES = ["p", "a", "v1", "..", ".", "", "..logs", "é", "a/b", "a\\b", "\0", "x" * 300, "..LOCK"]
VALUES: list[Any] = [None, True, 0, -1, 1e308, "", "..", "x", [], {}, [[]], {"id": 1}, "2020", "\0"]
WORDS = ["files", "permissions", "quota", "owners", "uploaders", "on_probation", "baseline"]
FILE_KEYS = ["type", "path", "size", "md5sum", "link"]


def value(chance: random.Random, depth: int = 0) -> Any:
    if depth > 3 or chance.random() < 0.4:
        return chance.choice(VALUES)
    if chance.random() < 0.5:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    keys = WORDS + FILE_KEYS + ["id", "until", "trusted", "asset"]
    return {chance.choice(keys): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def bad_start(chance: random.Random) -> Any:
    """A request to start an upload with one thing wrong."""
    file = entry("x", b"1", chance.choice(["simple", "dedup", "link"]))
    key = chance.choice(FILE_KEYS)
    bad: dict[str, list[Any]] = {
        "type": ["", "Simple", 1, None],
        "path": ["", "/x", "x/", "..", "a/..b", "a//b", "./a", "x" * 256, 1, None, "\0"],
        "size": [-1, 0.5, "1", None, 1e300],
        "md5sum": ["", "g" * 32, 1, None, "0" * 33],
        "link": [None, 1, {}, {"project": "p"}, {name: ".." for name in ("project", "asset")}],
    }
    if key == "link" or file["type"] == "link":
        file = {"type": "link", "path": "x"}
        key = "link"
    elif chance.random() < 0.3:
        del file[key]
        return {"files": [file]}
    return {"files": [entry("ok", b""), {**file, key: chance.choice(bad[key])}]}


def body(chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    if kind == 0:
        return chance.randbytes(chance.randrange(60))
    if kind == 1:
        text = json.dumps(bad_start(chance)).encode()
        return text[: chance.randrange(len(text))]
    if kind == 2:
        return b"[" * chance.choice([10, 1000, 100_000])
    return json.dumps(bad_start(chance)).encode()


def path(chance: random.Random) -> tuple[str, str]:
    def name() -> str:
        return quote(chance.choice(NAMES), safe="")

    choices: list[Callable[[], tuple[str, str]]] = [
        lambda: ("POST", f"/upload/start/p/a/{name()}"),
        lambda: ("POST", "/upload/start/p/a/v1"),
        lambda: ("POST", f"/upload/start/{name()}/{name()}/{name()}"),
        lambda: ("POST", "/create/p"),
        lambda: ("POST", f"/upload/presigned-file/{quote(chance.randbytes(9))}"),
        lambda: ("PUT", f"/upload/object/{name()}?expires={name()}&signature={name()}"),
        lambda: ("POST", f"/upload/complete/{name()}/{name()}/{name()}"),
        lambda: ("POST", f"/upload/abort/p/a/{name()}"),
        lambda: ("POST", f"/probation/reject/{name()}/a/v"),
        lambda: ("GET", f"/file/{name()}%"),
        lambda: ("GET", f"/file/p%2F{name()}%2F{name()}"),
        lambda: ("GET", "/list?prefix=%" + chance.choice(["", "z", "zz", "FF"])),
        lambda: ("DELETE", f"/remove/{quote(chance.choice(NAMES[3:7]), safe='')}/a"),
        lambda: (chance.choice(["PATCH", "TRACE", "PUT"]), f"/{name()}/{name()}"),
    ]
    return chance.choice(choices)()


def test_malformed_requests_are_refused_and_change_nothing(project: Api) -> None:
    chance = random.Random(20240229)
    project.upload("p/b/v1", {"x": b"1"})
    before = {str(file): file.stat().st_mtime_ns for file in project.registry.rglob("*")}
    before = {name: time for name, time in before.items() if not project.registry.samefile(name)}
    connection = http.client.HTTPConnection(urlsplit(project.url).netloc, timeout=30)
    for number in range(COUNT):
        method, target = path(chance)
        headers = {"Authorization": f"Bearer {chance.choice(['admin-token', 'owner-token'])}"}
        text = body(chance)
        connection.request(method, target, text, headers)
        answer = connection.getresponse()
        content = answer.read()
        about = (number, method, target, text[:300], answer.status, content[:300])
        assert 300 <= answer.status < 500, about
        if answer.status >= 400:
            assert json.loads(content)["status"] == "error", about
    connection.close()
    after = {str(file): file.stat().st_mtime_ns for file in project.registry.rglob("*")}
    assert after.keys() == before.keys()
    files = {name for name in after if not (project.registry / name).is_dir()}
    assert {name: after[name] for name in files} == {name: before[name] for name in files}


def test_malformed_settings_of_projects_are_refused(project: Api) -> None:
    chance = random.Random(7)
    for _ in range(cases(2000)):
        settings = value(chance)
        method, target = chance.choice(
            [("PUT", "/permissions/p"), ("PUT", "/quota/p"), ("POST", "/create/q")]
        )
        answer = project.admin(method, target, settings)
        assert answer.status in (200, 400), (method, target, settings, answer.body)
        if target == "/create/q" and answer.status == 200:
            assert project.admin("DELETE", "/remove/q").status == 200
    permissions = project.read("p/..permissions")
    assert set(permissions) == {"owners", "uploaders"}
    assert set(project.read("p/..quota")) == {"baseline", "growth_rate", "year"}


def test_strangers_may_not_send_much(project: Api) -> None:
    body = json.dumps({"files": [], "padding": "x" * 2_000_000}).encode()
    path = "/upload/start/p/a/v1"
    known = exchange(project.url, "POST", path, {"Authorization": "Bearer owner-token"}, body)
    assert known.status == 200
    for headers in ({}, {"Authorization": "Bearer unknown"}):
        assert exchange(project.url, "POST", path, headers, body).status == 413
