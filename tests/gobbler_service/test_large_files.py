"""Files that are too large to be read at once, over connections of all kinds."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.memory import memory
from support.service import Gobbler, Service, wait_until

MIB = 1 << 20
SIZE = 9 * MIB + 4321


def place(gobbler: Gobbler, name: str, size: int = SIZE) -> bytes:
    """Put a file of random bytes into the registry."""
    content = random.Random(name).randbytes(size)
    path = gobbler.path("p", name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return content


def connect(gobbler: Gobbler, buffer: int | None = None) -> socket.socket:
    """Connect, optionally with a receive buffer so small that the service has to wait."""
    parsed = urllib.parse.urlsplit(gobbler.url)
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(60)
    client.connect((parsed.hostname, parsed.port))
    return client


def asking(name: str, method: str = "GET", **headers: str) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} /fetch/p/{name} HTTP/1.1", "Host: localhost"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(client: socket.socket, step: int = MIB, method: str = "GET") -> tuple[int, bytes]:
    """Read one answer in small steps."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        assert byte
        head += byte
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None
    body = bytearray()
    left = 0 if method == "HEAD" else int(length[1])
    while left and (piece := client.recv(min(left, step))):
        body += piece
        left -= len(piece)
    return int(head.split()[1]), bytes(body)


@pytest.fixture(params=["disk", "memory"])
def service(request: pytest.FixtureRequest, serve: Callable[..., Service]) -> Iterator[Service]:
    """A service whose registry is on a disk, or in memory where the machine has such a place."""
    place = memory(64 * MIB) if request.param == "memory" else None
    with tempfile.TemporaryDirectory(dir=place) as registry:
        yield serve(registry=Path(registry))


@pytest.fixture
def gobbler(service: Service) -> Gobbler:
    """Where it can be reached."""
    return service.gobbler


def parts(body: bytes) -> list[bytes]:
    """The contents of an answer with several ranges."""
    boundary = body[: body.index(b"\r\n")]
    pieces = body.removesuffix(b"\r\n" + boundary + b"--\r\n").split(boundary + b"\r\n")[1:]
    contents = [piece.split(b"\r\n\r\n", 1)[1] for piece in pieces]
    return [content.removesuffix(b"\r\n") for content in contents[:-1]] + contents[-1:]


def test_slow_reader_gets_every_byte_over_one_connection(gobbler: Gobbler) -> None:
    first, second = place(gobbler, "first"), place(gobbler, "second")
    small = place(gobbler, "small", 1000)
    with connect(gobbler, buffer=4096) as client:

        def ask(name: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
            client.sendall(asking(name, method, **headers))
            return answer(client, 7001, method)

        assert ask("first") == (200, first)
        assert ask("second", Range="bytes=1234567-8901234") == (206, second[1234567:8901235])
        assert ask("first", "HEAD") == (200, b"")
        assert ask("small") == (200, small)
        assert ask("first", Range="bytes=-3000001") == (206, first[-3000001:])
        status, body = ask("second", Range="bytes=0-99,200000-5000000,-700000")
        assert status == 206
        assert parts(body) == [second[:100], second[200000:5000001], second[-700000:]]
        assert ask("second") == (200, second)


def test_requests_sent_at_once_are_answered_in_order(gobbler: Gobbler) -> None:
    contents = {name: place(gobbler, name) for name in ("first", "second", "third")}
    with connect(gobbler) as client:
        client.sendall(b"".join(map(asking, contents)))
        assert [answer(client) for _ in contents] == [
            (200, content) for content in contents.values()
        ]


def test_file_that_is_not_in_memory_is_sent(gobbler: Gobbler) -> None:
    content = place(gobbler, "file")
    with gobbler.path("p", "file").open("rb") as file:
        for start in (0, 3 * MIB):
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), start, 0, os.POSIX_FADV_DONTNEED)
            assert gobbler.get("/fetch/p/file").body == content


def test_file_that_shrinks_ends_the_connection(gobbler: Gobbler) -> None:
    content = place(gobbler, "file", 32 * MIB)
    with connect(gobbler, buffer=4096) as client:
        client.sendall(asking("file"))
        assert client.recv(1) == b"H"
        os.truncate(gobbler.path("p", "file"), 0)
        received = b"H"
        try:
            while piece := client.recv(MIB):
                received += piece
        except ConnectionResetError:
            pass
    body = received.split(b"\r\n\r\n", 1)[1]
    assert len(body) < len(content)
    assert content.startswith(body)


def test_clients_that_stall_or_leave_do_not_matter_to_others(service: Service) -> None:
    gobbler = service.gobbler
    content = place(gobbler, "file", 32 * MIB)
    file = gobbler.path("p", "file").resolve()
    assert service.process is not None
    descriptors = Path(f"/proc/{service.process.pid}/fd")

    def is_closed() -> bool:
        return all(
            not descriptor.is_symlink() or descriptor.readlink() != file
            for descriptor in descriptors.iterdir()
        )

    with connect(gobbler, buffer=4096) as stalled:
        stalled.sendall(asking("file"))
        assert stalled.recv(1) == b"H"
        assert gobbler.get("/fetch/p/file").body == content
        assert not is_closed()
    wait_until(is_closed, "the file is closed")
    assert gobbler.get("/fetch/p/file").body == content


def test_stop_lets_an_answer_end(service: Service) -> None:
    content = place(service.gobbler, "file", 32 * MIB)
    with connect(service.gobbler) as client:
        client.sendall(asking("file"))
        assert client.recv(1) == b"H"
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        assert answer(client) == (200, content)
        assert client.recv(1) == b""
    assert service.process.wait(60) == 0
