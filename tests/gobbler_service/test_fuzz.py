"""Ten thousand malformed requests: each gets a clear error, and nothing happens."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.effort import cases
from support.service import Service
from support.tree import everything, make, registry_state

COUNT = cases(10_000)
ACTIONS = [
    "create_project",
    "upload",
    "set_permissions",
    "approve_probation",
    "reject_probation",
    "refresh_latest",
    "refresh_usage",
    "reindex_version",
    "validate_version",
    "delete_project",
    "delete_asset",
    "delete_version",
    "reroute_links",
]
MEMBERS = [
    "project",
    "asset",
    "version",
    "source",
    "permissions",
    "owners",
    "uploaders",
    "global_write",
    "to_delete",
    "dry_run",
    "force",
    "consume",
    "ignore_dot",
    "on_probation",
    "spoof",
]
# No name of this list is a valid one, so that no request can be right by chance.
NAMES = ["", ".", "..", "../..", "/", "a/b", "..x", "a\\b", "\0", "\x1b[31m", "n" * 300, "/etc"]


def value(random: random.Random, depth: int = 0) -> Any:
    """Some JSON value that is no valid name."""
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: random.choice([True, False]),
        lambda: random.choice([0, -1, 1 << 70, 1e308, 0.1]),
        lambda: random.choice(NAMES),
    ]
    if depth < 3:
        kinds += [
            lambda: [value(random, depth + 1) for _ in range(random.randrange(4))],
            lambda: {
                random.choice(MEMBERS + NAMES): value(random, depth + 1)
                for _ in range(random.randrange(4))
            },
        ]
    return random.choice(kinds)()


def body(random: random.Random) -> bytes:
    """The content of a request that cannot be served, whatever its action."""
    document = {
        member: value(random) for member in random.sample(MEMBERS, random.randrange(len(MEMBERS)))
    }
    document["project"] = random.choice([*NAMES, None, 1, [], {}, True])
    document["to_delete"] = random.choice(["p", None, 1, {}, [{}], [1], [{"project": ".."}]])
    text = json.dumps(document).encode()
    match random.randrange(8):
        case 0:
            return text[: random.randrange(len(text))]
        case 1:
            return random.randbytes(random.randrange(64))
        case 2:
            # Only JSON's own signs: a name with another letter in it could be a valid one.
            place = random.choice([at for at, byte in enumerate(text) if byte in b'{}[]":,'])
            return text[:place] + bytes([random.choice(b'{}[]",:\\\xff\0')]) + text[place + 1 :]
        case 3:
            return json.dumps(value(random)).encode()
        case 4:
            return b"[" * random.randrange(1, 20_000)
        case 5:
            return text + random.choice([b"}", b"x", b"\0", b" {}"])
        case _:
            return text


def test_malformed_requests(serve: Callable[..., Service], tmp_path: Path) -> None:
    service = serve()
    gobbler = service.gobbler
    assert gobbler.request("create_project", {"project": "p"}).status == 200
    make(service.staging / "s", {"f": "1"})
    names = {"project": "p", "asset": "a", "version": "v", "source": "s"}
    assert gobbler.request("upload", names).status == 200
    chance = random.Random(20240229)
    registry, around = registry_state(gobbler.registry), set(os.listdir(tmp_path / "service"))
    host = urlsplit(gobbler.url).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    counts: dict[int, int] = {}
    for number in range(COUNT):
        content, action = body(chance), chance.choice(ACTIONS)
        file = service.staging / f"request-{action}-{number}"
        file.write_bytes(content)
        connection.request("POST", "/new/" + file.name)
        response = connection.getresponse()
        text = response.read()
        file.unlink()
        assert 400 <= response.status < 600, (action, content)
        assert response.headers["Content-Type"] == "application/json", (action, content)
        answer = json.loads(text)
        assert answer["status"] == "ERROR", (action, content)
        assert answer["reason"], (action, content)
        assert all(letter >= " " for letter in answer["reason"]), (action, content)
        counts[response.status] = counts.get(response.status, 0) + 1
    connection.close()
    print("answers by status:", dict(sorted(counts.items())))
    assert registry_state(gobbler.registry) == registry
    assert set(os.listdir(tmp_path / "service")) == around
    assert sorted(everything(service.staging)) == ["s", "s/f"]
    assert service.process is not None
    assert service.process.poll() is None


def test_malformed_http_requests(serve: Callable[..., Service]) -> None:
    service = serve()
    chance = random.Random(7)
    before = registry_state(service.registry)
    letters = string.printable + "\0\xff%/.?&=+"
    for _ in range(cases(2000)):
        path = "".join(chance.choice(letters) for _ in range(chance.randrange(1, 60)))
        method = chance.choice(["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "NEW", "get"])
        start = chance.choice(["/", "/new/", "/fetch/", "/list?path=", "/list?recursive=", "//"])
        line = f"{method} {start}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        line += chance.choice(["", "Range: bytes=9-1\r\n", "Content-Length: -1\r\n", "X: \0\r\n"])
        with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
            connection.sendall(line.encode("latin-1") + b"\r\n")
            try:
                answer = connection.recv(1 << 16)
            except ConnectionError:
                continue
        assert answer == b"" or answer.startswith(b"HTTP/1."), line
    assert registry_state(service.registry) == before
    assert service.gobbler.get("/info").status == 200
