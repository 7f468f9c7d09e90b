"""Connections are closed by servers, lead through proxies, and change with the environment."""

from __future__ import annotations

import base64
import hashlib
import json
import selectors
import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import requests
from support.fake import Reply, as_json, serving

LISTING = as_json(["p/"])


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try nothing again."""
    monkeypatch.setenv("SELENITE_RETRIES", "0")


def projects(url: str) -> list[str]:
    return pyg.list_projects("/not/here", url, force_remote=True)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [200, 400])
def test_no_call_fails_where_connections_are_closed_after_each_answer(
    scheme: str,
    status: int,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    (tmp_path / "f").write_text("content")
    digest = base64.b64encode(hashlib.md5(b"content").digest()).decode()

    def script(method: str, path: str) -> Reply:
        code, answer = status, {"status": "SUCCESS"} if path != "/list" else ["p/"]
        if status == 400:
            answer = {"status": "ERROR", "reason": "closed"}
        if path == "/presigned":  # never refused, so that the content is sent
            code, answer = 200, {"url": f"{fake.url}/place?sig=1", "md5sum_base64": digest}
        return Reply(json.dumps(answer).encode(), code, "application/json", close=True)

    started: dict[str, Any] = {
        "file_urls": [{"path": "f", "url": "/presigned", "method": "presigned"}],
        "session_token": "s",
    }
    calls: list[Callable[[str], object]] = [
        lambda url: pyg.create_project("p", str(tmp_path), url),
        projects,
        lambda url: gyp.upload_files(started, tmp_path, url=url),
        lambda url: gyp.remove_project("p", url=url, token="t"),
    ]
    with serving(script, certificate if scheme == "https" else None) as fake:
        for call in calls * 4:
            if status == 200:
                call(fake.url)
            else:
                with pytest.raises((requests.HTTPError, gyp.GypsumError), match="closed"):
                    call(fake.url)
        assert len(fake.asked) == 20


def test_a_proxy_counts_from_the_next_call_on(monkeypatch: pytest.MonkeyPatch) -> None:
    there = "http://registry.invalid"
    with pytest.raises(requests.ConnectionError):
        projects(there)
    with serving(lambda *_: LISTING) as proxy:
        monkeypatch.setenv("http_proxy", f" {proxy.url}\n")
        assert projects(there) == ["p"]
        assert proxy.asked == [f"GET {there}/list"]
        monkeypatch.setenv("no_proxy", "registry.invalid:81")
        assert projects(there) == ["p"]
        monkeypatch.setenv("no_proxy", "registry.invalid:80")
        with pytest.raises(requests.ConnectionError):
            projects(there)
        monkeypatch.setenv("http_proxy", "gopher://p")
        with pytest.raises(ValueError, match="http_proxy"):
            projects(there)


def test_a_bundle_that_was_mended_counts_from_the_next_call_on(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle.pem"
    with serving(lambda *_: LISTING, certificate) as fake:
        with pytest.raises(requests.ConnectionError):
            projects(fake.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        with pytest.raises(OSError, match="REQUESTS_CA_BUNDLE"):
            projects(fake.url)
        bundle.write_bytes(certificate.read_bytes())
        assert projects(fake.url) == ["p"]


class Socks(socketserver.BaseRequestHandler):
    """Speaks SOCKS 5 and leads to one server, whatever name is asked for."""

    target: tuple[str, int]
    names: list[bytes]

    def handle(self) -> None:
        stream = self.request.makefile("rwb", buffering=0)
        stream.read(stream.read(2)[1])
        stream.write(b"\5\0")
        assert stream.read(4) == b"\5\1\0\3"  # connect to a name
        self.names.append(stream.read(stream.read(1)[0]) + stream.read(2))
        with socket.create_connection(self.target) as server:
            stream.write(b"\5\0\0\1" + bytes(6))
            ways = {self.request: server, server: self.request}
            with selectors.DefaultSelector() as waiting:
                for source, target in ways.items():
                    waiting.register(source, selectors.EVENT_READ, (source, target))
                while True:
                    for key, _ in waiting.select():
                        source, target = key.data
                        piece = source.recv(65536)
                        if not piece:
                            return
                        target.sendall(piece)


def test_a_socks_proxy_leads_to_names_that_only_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(lambda *_: LISTING) as fake,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), Socks) as proxy,
    ):
        proxy.daemon_threads = True
        Socks.target, Socks.names = ("127.0.0.1", int(fake.url.rpartition(":")[2])), []
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("all_proxy", f"socks5h://127.0.0.1:{proxy.server_address[1]}")
        assert projects("http://registry.invalid:8080") == ["p"]
        assert Socks.names == [b"registry.invalid\x1f\x90"]
        proxy.shutdown()


def test_logins_of_netrc_are_for_whoever_has_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    heads: list[dict[str, str]] = []
    with serving(lambda *_: LISTING, heads=heads) as fake:
        projects(fake.url)
        netrc.write_text("machine 127.0.0.1 login me password pw")
        projects(fake.url)
        gyp.list_projects(url=fake.url)
        gyp.remove_project("p", url=f" {fake.url}/\n", token=" t\n")
        netrc.write_text("machine 127.0.0.1 login me passwort pw")
        projects(fake.url)
    mine = "Basic bWU6cHc="
    assert [head.get("authorization") for head in heads] == [None, mine, mine, "Bearer t", None]


def test_changes_are_sent_on_where_their_method_is_kept(tmp_path: Path) -> None:
    def script(method: str, path: str) -> Reply:
        if path.startswith("/moved"):
            return Reply(status=308, headers={"Location": path.removeprefix("/moved")})
        return as_json({"status": "SUCCESS"})

    bodies: list[bytes] = []
    with serving(script, bodies=bodies) as fake:
        pyg.create_project("p", str(tmp_path), f"{fake.url}/moved")
        gyp.set_quota("p", baseline=1, url=f"{fake.url}/moved", token="t")
    assert fake.asked[1].startswith("POST /new/request-create_project-")
    assert fake.asked[2:] == ["PUT /moved/quota/p", "PUT /quota/p"]
    assert bodies[2] == bodies[3] != b""
