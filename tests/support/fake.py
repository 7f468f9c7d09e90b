"""A scripted server that answers what it is told to, however hostile."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        body: What is sent.
        status: HTTP status.
        kind: Media type, or `None` to send none.
        headers: Further headers.
        length: The announced length, if it is not the body's.
        stall: Stop after the body, without closing, until the server ends.
        close: Close the connection afterwards, without having said so.
    """

    body: bytes = b""
    status: int = 200
    kind: str | None = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    stall: bool = False
    close: bool = False


def as_json(value: object, status: int = 200) -> Reply:
    """An answer in JSON."""
    return Reply(json.dumps(value).encode(), status, "application/json")


Script = Callable[[str, str], Reply]


@dataclass
class Fake:
    """A running server: its address and what it was asked for, as `METHOD PATH`."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving(
    script: Script,
    certificate: Path | None = None,
    heads: list[dict[str, str]] | None = None,
    bodies: list[bytes] | None = None,
) -> Iterator[Fake]:
    """Serve a script, a function from method and path (as sent) to a reply.

    With a certificate (its key beside it), over TLS. The headers and bodies of requests are added
    to `heads` and `bodies`.
    """
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a head and its body are sent apart

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if bodies is not None:
                bodies.append(body)
            if heads is not None:
                heads.append({name.lower(): value for name, value in self.headers.items()})
            fake.asked.append(f"{self.command} {self.path}")
            reply = script(self.command, self.path)
            self.send_response(reply.status)
            if reply.kind is not None:
                self.send_header("Content-Type", reply.kind)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(reply.body) if reply.length is None else reply.length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)
            self.wfile.flush()
            if reply.stall:
                end.wait(30)
            if reply.stall or reply.close or reply.length is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        scheme = "https"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{certificate}.key")
        # Hands are shaken on the connection's own thread.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    fake = Fake(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        end.set()
        server.shutdown()
        server.server_close()
        thread.join()


def registry(files: dict[str, bytes], listing: list[str] | None = None) -> Script:
    """A script that serves one version `p/a/v`: its listing, its files, and 404 for all else.

    Args:
        files: Content by path below `p/a/v`.
        listing: What `/list` answers, if it is not the names of the files.
    """

    def script(method: str, path: str) -> Reply:
        parsed = urllib.parse.urlsplit(path)
        if parsed.path == "/list":
            return as_json(sorted(files) if listing is None else listing)
        name = urllib.parse.unquote(parsed.path).removeprefix("/fetch/p/a/v/")
        if name in files:
            return Reply(files[name])
        return Reply(b"404 page not found\n", 404, "text/plain; charset=utf-8")

    return script
