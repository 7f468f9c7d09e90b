"""HTTP/2: how many streams a server gets, and servers that reset some of them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest
from selenite import _core

DATA, HEADERS, RESET, SETTINGS, PING = 0, 1, 3, 4, 6
INTERNAL_ERROR, REFUSED_STREAM = 2, 7
CONTENT = bytes(range(256)) * 16
# `:status 200`, and `content-length`, as HPACK writes them.
HEAD = b"\x88\x0f\x0d\x04" + str(len(CONTENT)).encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!IBBI", len(payload), kind, flags, stream)[1:] + payload


class Server:
    """Answers every request with the same content; has `at_once` streams, and refuses others.

    Every answer whose number is in `broken` is reset after half of its content. After the first
    sixteen it answers only when it was asked for `crowd` at once.
    """

    def __init__(self, certificate: Path, at_once: int, broken: range, crowd: int) -> None:
        self.at_once, self.broken, self.crowd = at_once, broken, crowd
        self.is_crowded = threading.Event()
        self.answers = self.open = self.refused = 0
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.context.set_alpn_protocols(["h2"])
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        # A client that has enough may close in the middle.
        with contextlib.suppress(OSError), self.context.wrap_socket(client, True) as peer:
            stream, writing = peer.makefile("rb"), threading.Lock()
            stream.read(24)
            peer.sendall(_frame(SETTINGS, 0, 0, b""))
            while head := stream.read(9):
                kind, flags = head[3], head[4]
                number = struct.unpack("!I", head[5:])[0]
                payload = stream.read(int.from_bytes(head[:3], "big"))
                if kind in (SETTINGS, PING) and not flags & 1:
                    with writing:
                        peer.sendall(_frame(kind, 1, 0, payload if kind == PING else b""))
                if kind == HEADERS:
                    self.answer(peer, writing, number)

    def answer(self, peer: ssl.SSLSocket, writing: threading.Lock, stream: int) -> None:
        with self.lock:
            if self.open == self.at_once:
                self.refused += 1
                reset = struct.pack("!I", REFUSED_STREAM)
                with writing:
                    peer.sendall(_frame(RESET, 0, stream, reset))
                return
            self.open += 1
            self.answers += 1
            is_broken = self.answers in self.broken
            is_late = self.answers > 16
            if self.open >= self.crowd:
                self.is_crowded.set()

        def send() -> None:
            time.sleep(0.01)  # others come meanwhile
            if is_late:
                self.is_crowded.wait(10)
            answer = _frame(HEADERS, 4, stream, HEAD)
            if is_broken:
                answer += _frame(DATA, 0, stream, CONTENT[:2000])
                answer += _frame(RESET, 0, stream, struct.pack("!I", INTERNAL_ERROR))
            else:
                answer += _frame(DATA, 1, stream, CONTENT)
            with self.lock:
                self.open -= 1
            with contextlib.suppress(OSError), writing:
                peer.sendall(answer)

        threading.Thread(target=send, daemon=True).start()


@contextlib.contextmanager
def _serving(
    certificate: Path, at_once: int, broken: range = range(0), crowd: int = 0
) -> Iterator[Server]:
    server = Server(certificate, at_once, broken, crowd)
    try:
        yield server
    finally:
        server.listener.close()


@pytest.mark.parametrize(
    ("at_once", "broken", "retries"),
    [
        pytest.param(2, range(0), "0", id="refused"),
        pytest.param(99, range(1, 99, 7), "4", id="broken"),
    ],
)
def test_all_arrives_although_streams_are_reset(
    tmp_path: Path,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    broken: range,
    retries: str,
) -> None:
    monkeypatch.setenv("SELENITE_CA_BUNDLE", str(certificate))
    # A refusal is no try.
    monkeypatch.setenv("SELENITE_RETRIES", retries)
    names = [f"f{number:02}" for number in range(40)]
    facts = [(len(CONTENT), md5(CONTENT).hexdigest())] * len(names)
    with _serving(certificate, at_once, broken) as server:
        assert _core.download_files(server.url, names, tmp_path / "got", facts) == len(names)
        assert server.answers == len(names) + len([n for n in broken if n <= server.answers])
        assert (server.refused > 0) == (at_once == 2)
    assert all((tmp_path / "got" / name).read_bytes() == CONTENT for name in names)


def test_streams_become_many_with_the_first_answers(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_CA_BUNDLE", str(certificate))
    names = [f"f{number:03}" for number in range(200)]
    facts = [(len(CONTENT), md5(CONTENT).hexdigest())] * len(names)
    with _serving(certificate, 128, crowd=100) as server:
        assert _core.download_files(server.url, names, tmp_path / "got", facts) == len(names)
        assert server.is_crowded.is_set(), "twice as many at a time would never be"
        assert server.refused == 0
