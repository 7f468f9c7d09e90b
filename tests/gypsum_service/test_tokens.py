"""Who is who: the file of tokens, administrators, and a stand-in for GitHub."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenite.testing import GypsumServer
from support import gypsum
from support.gypsum import Api, exchange


def write(path: Path, users: Any, mode: int = 0o600) -> None:
    """Replace a file of tokens, as an editor does."""
    staged = path.with_suffix(".new")
    staged.write_text(users if isinstance(users, str) else json.dumps(users))
    staged.chmod(mode)
    staged.rename(path)


def login(api: Api, token: str) -> tuple[int, Any]:
    answer = api.call("GET", "/github/user", token)
    return answer.status, answer.json()


BAD = (401, {"message": "Bad credentials"})


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no user identity supplied"),
        ({"Authorization": "token admin-token"}, "no user identity supplied"),
        ({"Authorization": "Bearer"}, "no user identity supplied"),
        (
            {"Authorization": "Bearer unknown"},
            "failed to query GitHub for user identity: Bad credentials",
        ),
        (
            {"Authorization": "Bearer admin-toke"},
            "failed to query GitHub for user identity: Bad credentials",
        ),
    ],
)
def test_unknown_users_get_401(api: Api, headers: dict[str, str], reason: str) -> None:
    answer = exchange(api.url, "POST", "/create/p", headers, b"{}")
    assert (answer.status, answer.reason) == (401, reason)


def test_users_are_known_by_the_digest_of_their_token(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    tokens = {f"sha256:{digest}": {"login": "root-admin"}}
    with gypsum.server(tmp_path / "registry", tokens=tokens) as running:
        api = gypsum.api(running)
        assert login(api, "secret") == (200, {"login": "root-admin"})
        assert login(api, f"sha256:{digest}") == BAD
        assert api.call("POST", "/create/p", "secret", {}).status == 200


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    write(path, {"one": {"login": "a"}})
    with gypsum.server(tmp_path / "registry", tokens=path) as running:
        api = gypsum.api(running)
        assert login(api, "one") == (200, {"login": "a"})
        write(path, {"two": {"login": "b"}})
        assert login(api, "one") == BAD
        assert login(api, "two") == (200, {"login": "b"})
        # Half of a file, or one that others can read, changes nothing.
        write(path, '{"three": {"login"')
        assert login(api, "two") == (200, {"login": "b"})
        write(path, {"three": {"login": "c"}}, 0o644)
        assert login(api, "two") == (200, {"login": "b"})
        path.unlink()
        assert login(api, "two") == BAD
        write(path, {"three": {"login": "c"}})
        assert login(api, "three") == (200, {"login": "c"})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "tokens.json"
    write(path, {"one": {"login": "a"}}, mode)
    with pytest.raises(RuntimeError, match="chmod 600"):
        gypsum.server(tmp_path / "registry", tokens=path).start()
    settings = {"tokens": path, "insecure_tokens": True}
    with gypsum.server(tmp_path / "registry", **settings) as running:
        assert login(gypsum.api(running), "one") == (200, {"login": "a"})


@pytest.mark.parametrize(
    "content",
    [
        {"alice": "hush-hush"},
        {"tokens": {"hush-hush": {"login": "alice"}}},
        {"hush-hush": {"login": "alice", "organizations": "hush-hush"}},
        '"hush-hush"',
    ],
)
def test_a_refused_file_is_not_quoted(tmp_path: Path, content: object) -> None:
    path = tmp_path / "tokens.json"
    write(path, content)
    with pytest.raises(RuntimeError, match="at line 1 column") as caught:
        gypsum.server(tmp_path / "registry", tokens=path).start()
    assert "hush" not in str(caught.value)


def test_without_tokens_everybody_may_read_and_nobody_write(tmp_path: Path) -> None:
    with gypsum.server(tmp_path / "registry", tokens=None) as running:
        api = gypsum.api(running)
        assert api.listed() == []
        assert api.admin("POST", "/create/p", {}).status == 401


def test_organizations_are_told_as_github_does(api: Api) -> None:
    answer = api.call("GET", "/github/user/orgs", "orgadmin-token")
    assert answer.json() == [{"login": "gypsum-admins"}]
    assert api.call("GET", "/github/user/orgs", "admin-token").json() == []
    assert api.call("GET", "/github/user/orgs").status == 401


class GitHub(BaseHTTPRequestHandler):
    """A stand-in for GitHub that counts what it is asked."""

    disable_nagle_algorithm = True  # a head and its body are sent apart
    asked: list[str]
    broken = False

    def do_GET(self) -> None:
        token = self.headers["Authorization"]
        self.asked.append(f"{self.path} {token}")
        status, answer = 200, {"login": "root-admin"} if self.path == "/api/user" else None
        if self.broken:
            status, answer = 502, {"message": "later"}
        elif token != "Bearer good":
            status, answer = 401, {"message": "Not you"}
        elif answer is None:
            status, answer = 500, {"message": "no organizations today"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def github() -> Iterator[tuple[str, type[GitHub]]]:
    handler = type("Handler", (GitHub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_another_server_can_be_asked(tmp_path: Path, github: tuple[str, type[GitHub]]) -> None:
    url, handler = github
    with GypsumServer(tmp_path / "registry", admins=["root-admin"], github_url=url) as running:
        api = gypsum.api(running)
        assert api.call("POST", "/create/p", "good", {}).status == 200
        assert api.call("POST", "/create/q", "good", {}).status == 200
        assert handler.asked == ["/api/user Bearer good", "/api/user/orgs Bearer good"]
        answer = api.call("POST", "/create/r", "bad", {})
        assert answer.status == 401
        assert answer.reason == "failed to query GitHub for user identity: Not you"
        handler.broken = True
        assert api.call("POST", "/create/r", "new", {}).status == 503
        assert api.call("GET", "/github/user", "good").status == 404


def test_the_temporary_file_of_tokens_is_private(tmp_path: Path) -> None:
    running = gypsum.server(tmp_path / "registry").start()
    (directory,) = running._temporary
    (file,) = Path(directory).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    running.stop()
    assert not os.path.exists(directory)
