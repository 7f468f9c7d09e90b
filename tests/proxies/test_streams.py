"""HTTP/2: many answers over few connections, which the server ends when it likes, or refuses."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import pwd
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from selenite import _core
from support import bucket
from support.fake import Reply, serving
from support.service import free_port
from support.tree import make
from support.web import NGINX, running

# It ends each connection after 50 answers, and answers more than 20 early requests by 503.
SITE = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format which '$server_protocol $connection $status';
    access_log {folder}/access.log which;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fast; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    limit_req_zone $binary_remote_addr zone=clients:1m rate=200r/s;
    keepalive_requests 50; http2_max_concurrent_streams 8;
    server {{
        listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl {protocol};
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        root {root};
        location /d/ {{ limit_req zone=clients burst=20 nodelay; }}
        location /slow/ {{ proxy_pass {slow}; }}
    }}
}}
"""


class Nginx:
    """A server of files that may be started again, as another.

    Attributes:
        folder: Where it is, with its log of answers.
        root: What it serves.
        url: Its address.
    """

    def __init__(self, folder: Path, certificate: Path, ports: tuple[int, int], slow: str) -> None:
        self.folder, self.root = folder / "nginx", folder / "root"
        self.folder.mkdir()
        (self.root / "d").mkdir(parents=True)
        # Its workers may be another user's.
        self._certificate = shutil.copy(certificate, self.folder / "both.pem")
        self._ports, self._slow = ports, slow
        self.url = f"https://127.0.0.1:{ports[1]}"

    @contextlib.contextmanager
    def running(self, protocol: str = "http2") -> Iterator[None]:
        port, tls_port = self._ports
        site = SITE.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            folder=self.folder,
            root=self.root,
            certificate=self._certificate,
            port=port,
            tls_port=tls_port,
            protocol=protocol,
            slow=self._slow,
        )
        (self.folder / "site").write_text(site)
        errors = str(self.folder / "error.log")
        command = [NGINX or "", "-e", errors, "-c", str(self.folder / "site")]
        with running(command, port, self.folder / "output"):
            yield


@contextlib.contextmanager
def nginx(folder: Path, certificate: Path, slow: str = "http://127.0.0.1:9") -> Iterator[Nginx]:
    """A server in front of one that takes its time."""
    with free_port() as port, free_port() as tls_port:
        yield Nginx(folder, certificate, (port, tls_port), slow)


@pytest.fixture(autouse=True)
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_CA_BUNDLE", str(certificate))


def digested(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.md5(content).hexdigest()


def test_all_arrives_although_connections_end_and_requests_are_refused(
    tmp_path: Path, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"f{number:03}" for number in range(300)]
    contents = {name: os.urandom(4096) for name in names}
    with nginx(tmp_path, certificate) as server:
        for name, content in contents.items():
            (server.root / "d" / name).write_bytes(content)
        with server.running():
            facts = [digested(contents[name]) for name in names]
            assert _core.download_files(f"{server.url}/d", names, tmp_path / "got", facts) == 300
    for name, content in contents.items():
        assert (tmp_path / "got" / name).read_bytes() == content
    seen = [line.split() for line in (server.folder / "access.log").read_text().splitlines()]
    answers = [line for line in seen if line[0] == "HTTP/2.0"]
    assert collections.Counter(status for _, _, status in answers)["200"] == 300
    # How many are early depends on the machine.
    assert {status for _, _, status in answers} <= {"200", "503"}
    # What waited on a connection that ended is sent over the next one, and is no failure.
    assert [message for message in caplog.messages if " failed (" in message] == []
    # One makes the connection for all, also while nothing is known of the server. nginx numbers
    # all, also those that nothing was asked over.
    numbers = [int(connection) for _, connection, _ in answers]
    assert max(numbers) - min(numbers) < 2 * len(answers) // 50


def test_an_answer_that_takes_long_keeps_nobody_from_making_the_next_connection(
    tmp_path: Path, certificate: Path
) -> None:
    got = tmp_path / "got"
    # The first makes the connection, which ends after 50 answers.
    names = ["slow/s", *(f"f{number:02}" for number in range(80))]
    seen: list[int] = []
    pause = threading.Event()

    def slow(method: str, path: str) -> Reply:
        for _ in range(50):
            seen.append(len(list(got.glob("f*"))))
            if seen[-1] == 80 or pause.wait(0.1):
                break
        return Reply(b"s")

    with serving(slow) as backend, nginx(tmp_path, certificate, backend.url) as server:
        for name in names[1:]:
            (server.root / name).write_bytes(b"f")
        facts = [digested(b"s"), *[digested(b"f")] * 80]
        with server.running():
            _core.download_files(server.url, names[1:2], tmp_path / "first", facts[1:2])
        with server.running():
            assert _core.download_files(server.url, names, got, facts) == 81
    assert seen[-1] == 80


@pytest.mark.parametrize("has_left", [True, False])
def test_a_server_that_does_not_speak_http2_is_asked_many_things_at_once(
    tmp_path: Path, certificate: Path, has_left: bool
) -> None:
    all_asked = threading.Barrier(16, timeout=5)

    def slow(method: str, path: str) -> Reply:
        with contextlib.suppress(threading.BrokenBarrierError):
            all_asked.wait()
        return Reply(b"s")

    names = [f"slow/s{number:02}" for number in range(16)]
    with serving(slow) as backend, nginx(tmp_path, certificate, backend.url) as server:
        (server.root / "f").write_bytes(b"s")
        if has_left:
            with server.running():
                _core.download_files(server.url, ["f"], tmp_path / "first", [digested(b"s")])
        with server.running(protocol=""):
            got, facts = tmp_path / "got", [digested(b"s")] * 16
            assert _core.download_files(server.url, names, got, facts) == 16
    assert not all_asked.broken


@pytest.mark.parametrize("stalls", [False, True])
def test_a_first_connection_that_fails_keeps_no_other_waiting(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch, stalls: bool
) -> None:
    monkeypatch.setenv("SELENITE_CONNECT_TIMEOUT", "8")
    others = threading.Barrier(3, timeout=5)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    def answer(plain: socket.socket) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            others.wait()
        with contextlib.suppress(OSError), tls.wrap_socket(plain, server_side=True) as connection:
            while connection.recv(4096):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ns")

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as first:
            if not stalls:
                first.close()
            while True:
                threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        names, begun = [f"f{number:02}" for number in range(4)], time.monotonic()
        assert _core.download_files(url, names, tmp_path / "got", [digested(b"s")] * 4) == 4
        assert time.monotonic() - begun < 8
    assert not others.broken


def test_a_session_is_ended_although_its_connection_went_dead_without_a_word(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_TIMEOUT", "2")
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    dead = threading.Event()
    ways: list[socket.socket] = []

    def carry(source: socket.socket, target: socket.socket, is_new: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if is_new or not dead.is_set():
                    target.sendall(data)
            target.close()

    def serve(port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", port))
                ways.extend((client, server))
                for pair in (client, server), (server, client):
                    arguments = (*pair, dead.is_set())
                    threading.Thread(target=carry, args=arguments, daemon=True).start()

    folder = make(tmp_path / "source", {"f": "text"})
    with (
        bucket.serving() as service,
        nginx(tmp_path, certificate, f"{service.url}/") as server,
        server.running(),
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        port = int(server.url.rpartition(":")[2])
        threading.Thread(target=serve, args=(port,), daemon=True).start()
        gyp.create_project("p", "alice", **service.writer)
        there: Any = {"url": f"https://127.0.0.1:{listener.getsockname()[1]}/slow"}
        session = gyp.start_upload(
            "p", "a", "v", ["f"], **there, token=bucket.OWNER, directory=folder
        )
        gyp.upload_files(session, folder, **there)
        dead.set()
        gyp.complete_upload(session, **there)
        assert "upload_finish" in service.read("p", "a", "v", "..summary")
    for way in ways:
        way.close()
