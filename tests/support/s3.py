"""Where an S3 server under test is, and how it is reached."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.service import free_port, wait_until

BUCKET = "data"
# What happens to a request; see `one_at_a_time`.
Fault = str | Callable[[], object]


@dataclass(frozen=True)
class Store:
    """A running S3 server with an empty bucket, and its only credentials."""

    url: str
    directory: Path
    key: str = "an-access-key"
    secret: str = "a-secret-key"

    @property
    def place(self) -> str:
        """What the service is told."""
        return f"s3://{BUCKET}?endpoint={self.url}&region=us-east-1"

    @property
    def credentials(self) -> dict[str, str]:
        return {"endpoint": self.url, "bucket": BUCKET, "key": self.key, "secret": self.secret}


@contextmanager
def serving(folder: Path) -> Iterator[Store]:
    """An S3 server with an empty bucket, below a folder, and its credentials in the environment."""
    directory = folder / "store" / BUCKET
    directory.mkdir(parents=True)
    key, secret = Store.key, Store.secret
    with (
        running(directory.parent, key, secret, folder / "store.log") as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ACCESS_KEY_ID", key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        yield Store(url, directory)


@contextmanager
def running(folder: Path, key: str, secret: str, log: Path) -> Iterator[str]:
    """An S3 server whose buckets are the folders in a folder; gives its address."""
    with free_port() as port:
        command = [os.environ["SELENITE_S3_SERVER"], "--host", "127.0.0.1", "--port", str(port)]
        command += ["--access-key", key, "--secret-key", secret, str(folder)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_until(lambda: _answers(port), "the S3 server answers")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def one_at_a_time(store: Store, fault: Callable[[], Fault] = lambda: "") -> Iterator[str]:
    """The store behind a proxy that lets one request through at a time.

    `s3s-fs` looks for an object and then writes it; what is promised by S3 is both in one step.
    `fault` is asked before each request: `drop` it, `refuse` it, or `lose` its answer; or something
    to call when it is done, whose answer is lost then.
    """
    turn = threading.Lock()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a head and its body are sent apart

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with turn:
                wanted = fault()
                if wanted in ("drop", "refuse"):
                    if wanted == "refuse":
                        self.send_response(403)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                    self.close_connection = True
                    return
                connection = http.client.HTTPConnection(urlsplit(store.url).netloc, timeout=30)
                connection.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                # All headers as they are: most of them are signed.
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                response = connection.getresponse()
                answer = response.read()
                connection.close()
                if callable(wanted):
                    wanted()
            if wanted == "lose" or callable(wanted):
                self.close_connection = True
                return
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            length = response.getheader("Content-Length") or str(len(answer))
            self.send_header(
                "Content-Length", length if self.command == "HEAD" else str(len(answer))
            )
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield store.place.replace(store.url, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
