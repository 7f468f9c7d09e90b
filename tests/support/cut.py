"""Stands between a client and a server, and cuts connections after some bytes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Cut:
    """A running proxy.

    Attributes:
        url: Its address.
        up: After how many bytes to the server the next connection is cut; None for never.
        down: The same for bytes to the client.
        sent: Bytes to the server so far, of all connections.
        received: Bytes to the client.
    """

    url: str = ""
    up: int | None = None
    down: int | None = None
    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, way: str, size: int) -> bool:
        """Note bytes; says whether the connection ends with them."""
        with self.lock:
            if way == "up":
                self.sent += size
                if self.up is not None and self.sent >= self.up:
                    self.up = None
                    return True
            else:
                self.received += size
                if self.down is not None and self.received >= self.down:
                    self.down = None
                    return True
        return False


@contextlib.contextmanager
def cutting(url: str) -> Iterator[Cut]:
    """Forward everything to the server at `url` until the proxy is told to cut."""
    parts = urllib.parse.urlsplit(url)
    target = (str(parts.hostname), int(parts.port or 80))
    listener = socket.create_server(("127.0.0.1", 0))
    cut = Cut(f"http://127.0.0.1:{listener.getsockname()[1]}{parts.path}")

    def pump(way: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                ends = cut.count(way, len(data))
                sink.sendall(data)
                if ends:
                    for one in (source, sink):
                        reset = struct.pack("ii", 1, 0)
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(target)
                for way, source, sink in (("up", client, server), ("down", server, client)):
                    threading.Thread(target=pump, args=(way, source, sink), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield cut
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
