"""Stands between a client and a service, and does harm where it is told to."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Fault:
    """What happens instead of an honest answer.

    Attributes:
        status: Answer this status; the service is not asked.
        headers: Headers of that answer.
        reset: Break the connection off: `"before"` anything is read of the body, `"middle"` of the
            body that is sent, `"after"` the service has done its work, or in the middle of its
            `"answer"`.
        body: Change the body of the honest answer.
        stall: Say nothing until the proxy ends.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    reset: str | None = None
    body: Callable[[bytes], bytes] | None = None
    stall: bool = False


# From method, path and how often that was asked before.
Plan = Callable[[str, str, int], Fault | None]


def at(start: str, fault: Fault | None, times: int = 1) -> Plan:
    """Do harm to the first requests that begin like this, or to all of them if `times` is -1."""
    left = [times]

    def plan(method: str, path: str, _: int) -> Fault | None:
        if not f"{method} {path}".startswith(start) or left[0] == 0:
            return None
        left[0] -= 1
        return fault

    return plan


@dataclass
class Proxy:
    """A running proxy: its address and what it was asked for, as `METHOD PATH`."""

    url: str
    asked: list[str] = field(default_factory=list)

    def count(self, start: str) -> int:
        """How many requests begin like this."""
        return sum(line.startswith(start) for line in self.asked)


@contextlib.contextmanager
def between(url: str, plan: Plan) -> Iterator[Proxy]:
    """Forward everything to the service at `url`, but for what the plan says."""
    target = urllib.parse.urlsplit(url)
    end = threading.Event()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a head and its body are sent apart

        def forward(self) -> None:
            line = f"{self.command} {self.path}"
            with lock:
                fault = plan(self.command, self.path, proxy.asked.count(line)) or Fault()
                proxy.asked.append(line)
            length = int(self.headers.get("Content-Length") or 0)
            if fault.reset in ("before", "middle"):
                self.rfile.read(length // 2 if fault.reset == "middle" else 0)
                return self.break_off()
            body = self.rfile.read(length)
            if fault.stall:
                end.wait(60)
                return self.break_off()
            if fault.status is not None:
                return self.answer(fault.status, fault.headers, b"{}")
            status, headers, content = self.ask(body)
            if fault.reset == "after":
                return self.break_off()
            if fault.body is not None:
                content = fault.body(content)
            if fault.reset == "answer":
                self.answer(status, headers, content[: len(content) // 2], len(content))
                return self.break_off()
            return self.answer(status, headers, content)

        def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            try:
                headers = {name: value for name, value in self.headers.items()}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                kept = {
                    name: value
                    for name, value in answer.getheaders()
                    if name.lower()
                    not in ("content-length", "connection", "date", "transfer-encoding")
                }
                return answer.status, kept, answer.read()
            finally:
                connection.close()

        def answer(
            self, status: int, headers: dict[str, str], body: bytes, length: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()

        def break_off(self) -> None:
            # A reset, not an end: what is still on its way is thrown away.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = forward

        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        end.set()
        server.shutdown()
        server.server_close()
        thread.join()
