"""Tokens, and credentials of the bucket."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from gypsum_client import _github, auth
from support.bucket import ADMIN, S3, Gypsum
from support.fake import Reply, as_json, serving

INFINITE = float("inf")


def file(cache: Path) -> Path:
    return cache / "credentials" / "token.txt"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(cache: Path, text: str) -> None:
    file(cache).parent.mkdir(parents=True, exist_ok=True)
    file(cache).write_text(text)


def read(cache: Path | None, **options: Any) -> Any:
    auth.TOKEN_CACHE.clear()
    return gyp.access_token(cache_dir=cache, request=False, **options)


def test_a_token_is_kept_in_memory_and_on_the_disk(empty: Gypsum, cache: Path) -> None:
    found = gyp.set_access_token(ADMIN, github_url=empty.github_url, cache_dir=cache)
    assert found == {"token": ADMIN, "name": "root-admin", "expires": INFINITE}
    assert auth.TOKEN_CACHE["auth_info"] == found
    assert file(cache).read_text().splitlines() == [ADMIN, "root-admin", "inf"]
    assert mode(file(cache)) == 0o600
    assert mode(file(cache).parent) == 0o700
    assert gyp.access_token(cache_dir=cache) == ADMIN
    assert read(cache, full=True) == found
    assert auth.TOKEN_CACHE["auth_info"] == found
    assert gyp.set_access_token(None, cache_dir=cache) is None
    assert not file(cache).exists()
    assert read(cache) is None
    gyp.set_access_token(None, cache_dir=cache)  # D10


def test_the_environment_helps_and_names_github(
    empty: Gypsum, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYPSUM_TOKEN", "from-outside")
    assert read(cache) == "from-outside"
    monkeypatch.setenv("GYPSUM_GITHUB_URL", empty.github_url)
    gyp.set_access_token(ADMIN, cache_dir=None)
    assert gyp.access_token(cache_dir=cache) == ADMIN
    assert not cache.exists()


def test_a_file_of_the_environment_is_the_last_resort(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "held"
    held.write_text("first\n")
    held.chmod(0o600)
    monkeypatch.setenv("GYPSUM_TOKEN_FILE", str(held))
    assert read(cache) == "first"
    held.write_text("second")
    assert read(cache) == "second"
    assert not cache.exists()
    monkeypatch.setenv("GYPSUM_TOKEN", "from-outside")
    assert read(cache) == "from-outside"
    write(cache, "stored\nname\ninf")
    assert read(cache) == "stored"


@pytest.mark.parametrize(
    ("content", "mode", "match"),
    [
        (None, 0, "No such file"),
        ("hush-hush", 0o640, "mode 640"),
        ("hush-hush", 0o604, "mode 604"),
        ("", 0o600, "one token"),
        ("hush-hush\nalice\ninf", 0o600, "one token"),
        ("hush\udcff", 0o600, "one token"),
    ],
)
def test_a_file_of_the_environment_is_held_to_its_rules(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str | None,
    mode: int,
    match: str,
) -> None:
    held = tmp_path / "held"
    if content is not None:
        held.write_bytes(content.encode("utf-8", "surrogateescape"))
        held.chmod(mode)
    monkeypatch.setenv("GYPSUM_TOKEN_FILE", str(held))
    with pytest.raises(gyp.GypsumError, match=match) as caught:
        gyp.access_token(cache_dir=cache)
    assert "GYPSUM_TOKEN_FILE" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "one\n", "one\ntwo\n", "one\ntwo\nsoon", "one\ntwo\n12.5", "\n\ninf", "\udcff"],
)
def test_files_of_no_use_are_deleted(cache: Path, text: str) -> None:  # D10, D11
    write(cache, "")
    file(cache).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read(cache) is None
    assert not file(cache).exists()


def test_files_of_other_clients_are_read(cache: Path) -> None:
    write(cache, "token\nname\nInf")
    assert read(cache, full=True) == {"token": "token", "name": "name", "expires": INFINITE}


def test_a_token_must_be_valid_for_a_while(cache: Path) -> None:
    write(cache, f"token\nname\n{time.time() + 60}")
    assert read(cache) == "token"
    auth.TOKEN_CACHE["auth_info"] = {"token": "old", "name": "n", "expires": time.time() + 5}
    assert gyp.access_token(cache_dir=None, request=False) is None
    assert gyp.access_token(cache_dir=None, request=False, token_expiration_limit=1) == "old"
    assert read(cache, token_expiration_limit=100) is None


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("2030-01-02 03:04:05 UTC", 1893553445.0),
        ("2030-01-02 03:04:05 +0000", 1893553445.0),
        ("2030-01-02 05:04:05 +0200", 1893553445.0),
        (None, INFINITE),
    ],
)
def test_the_time_of_expiry_is_read(text: str | None, expires: float, cache: Path) -> None:  # D9
    headers = {} if text is None else {"GitHub-Authentication-Token-Expiration": text}
    heads: list[dict[str, str]] = []
    reply = Reply(b'{"login": "me"}', headers=headers)
    with serving(lambda *_: reply, heads=heads) as fake:
        found = gyp.set_access_token("tok", github_url=fake.url, user_agent="mine", cache_dir=cache)
    assert found == {"token": "tok", "name": "me", "expires": expires}
    assert heads[0]["user-agent"] == "mine"
    assert heads[0]["authorization"] == "Bearer tok"
    assert float(file(cache).read_text().splitlines()[2]) == expires


def test_a_refused_token_is_not_kept_nor_shown(empty: Gypsum, cache: Path) -> None:
    message = r"^Failed to access token from GitHub, 401"
    with pytest.raises(gyp.GypsumError, match=message) as caught:
        gyp.set_access_token("hush-hush", github_url=empty.github_url, cache_dir=cache)
    assert "hush" not in str(caught.value)
    assert not auth.TOKEN_CACHE
    assert not file(cache).exists()


def test_nobody_is_asked_where_nobody_is(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_is_interactive", lambda: False)
    for token in ("auto", "".join(["au", "to"])):  # D12
        with pytest.raises(
            gyp.GypsumError, match=r"^Running in non-interactive mode. Set the token"
        ):
            gyp.set_access_token(token, cache_dir=cache)
    with pytest.raises(gyp.GypsumError, match="non-interactive"):
        gyp.create_project("p", "o", url="http://127.0.0.1:9")


def visit(query: dict[str, str]) -> int:
    """Come back from the browser."""
    url = f"http://localhost:1410/?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], list[str]]:
    """Do something with the page that is to be opened."""

    def install(act: Callable[[str], None]) -> list[str]:
        opened: list[str] = []

        def open_page(url: str) -> bool:
            opened.append(url)
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
            threading.Thread(target=act, args=(query["state"],)).start()
            return True

        monkeypatch.setattr("webbrowser.open", open_page)
        monkeypatch.setattr(auth, "_is_interactive", lambda: True)
        return opened

    return install


def test_a_browser_brings_a_token(browser: Any, empty: Gypsum) -> None:  # D31
    bodies: list[bytes] = []
    statuses: list[int] = []

    def act(state: str) -> None:
        statuses.append(visit({"code": "evil", "state": "wrong"}))
        statuses.append(visit({"code": "abc", "state": state}))

    opened = browser(act)
    with serving(lambda *_: as_json({"access_token": "gho"}), bodies=bodies) as fake:
        token = _github.github_access_token("id", "secret", "http://auth/x", f"{fake.url}/token")
    assert token == "gho"
    assert statuses == [404, 200]
    assert fake.asked == ["POST /token"]
    sent = {"client_id": "id", "client_secret": "secret", "code": "abc"}
    assert json.loads(bodies[0]) == sent
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(opened[0]).query)
    assert opened[0].startswith("http://auth/x?")
    assert query["redirect_uri"] == ["http://localhost:1410"]


def test_a_refusal_ends_the_wait(browser: Any) -> None:  # D31
    browser(lambda state: visit({"error": "access_denied", "state": state}))
    with pytest.raises(gyp.GypsumError, match="access_denied"):
        _github.github_access_token("id", "secret", "http://auth/", "http://127.0.0.1:9/")


def test_an_error_in_the_answer_is_an_error(browser: Any) -> None:  # D31
    browser(lambda state: visit({"code": "abc", "state": state}))
    answer = {"error": "bad_verification_code", "error_description": "It is wrong: abc."}
    message = r"^Failed to access token, 200 .* It is wrong: \*\*\*\."
    with (
        serving(lambda *_: as_json(answer)) as fake,
        pytest.raises(gyp.GypsumError, match=message),
    ):
        _github.github_access_token("id", "secret", "http://auth/", fake.url)


def test_the_application_is_the_services(
    empty: Gypsum, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_is_interactive", lambda: True)
    seen: list[tuple[str, ...]] = []

    def grant(*arguments: str) -> str:
        seen.append(arguments)
        return ADMIN

    monkeypatch.setattr(auth, "github_access_token", grant)
    found = gyp.set_access_token(app_url=empty.url, github_url=empty.github_url, cache_dir=cache)
    assert found is not None
    assert found["name"] == "root-admin"
    base = "https://github.com/login/oauth"
    assert seen == [("app-id", "app-secret", f"{base}/authorize", f"{base}/access_token")]
    with (
        serving(lambda *_: Reply(b"no", 404)) as fake,
        pytest.raises(gyp.GypsumError, match=r"^Failed to get access credentials from gypsum, 404"),
    ):
        gyp.set_access_token(app_url=fake.url, cache_dir=cache)


def test_credentials_of_the_bucket_are_kept_for_a_week(cache: Path) -> None:  # D13
    with (
        serving(lambda *_: as_json(S3)) as fake,
        serving(lambda *_: as_json({**S3, "key": "2"})) as other,
    ):
        stored = cache / "credentials" / "s3.json"

        def config(url: str = fake.url, **options: Any) -> Any:
            return gyp.public_s3_config(url=url, **options)

        from gypsum_client import s3_config

        def forget() -> None:
            s3_config.CREDS_CACHE["info"].clear()

        assert config() == config() == S3
        assert len(fake.asked) == 1
        assert config(refresh=True) == S3
        assert config(cache_dir=cache) == S3
        assert len(fake.asked) == 3
        assert mode(stored) == 0o600
        forget()
        assert config(cache_dir=cache) == S3
        assert len(fake.asked) == 3
        assert config(other.url, cache_dir=cache)["key"] == "2"
        assert config(other.url)["key"] == "2"
        week_ago = time.time() - 8 * 24 * 3600
        os.utime(stored, (week_ago, week_ago))
        forget()
        config(other.url, cache_dir=cache)
        assert len(other.asked) == 3


def test_errors_are_no_credentials(cache: Path) -> None:  # D13
    reply = Reply(b'{"status":"error"}', 404)
    with serving(lambda *_: reply) as fake, pytest.raises(gyp.GypsumError):
        gyp.public_s3_config(url=fake.url, cache_dir=cache)
    assert not (cache / "credentials" / "s3.json").exists()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"endpoint":"e"}'])
def test_answers_without_credentials_are_not_kept(cache: Path, body: bytes) -> None:
    replies = [Reply(body), as_json(S3)]
    with serving(lambda *_: replies.pop(0)) as fake:
        with pytest.raises(gyp.GypsumError, match=r"^Failed to access S3 credentials, 200"):
            gyp.public_s3_config(url=fake.url, cache_dir=cache)
        assert not (cache / "credentials" / "s3.json").exists()
        assert gyp.public_s3_config(url=fake.url, cache_dir=cache) == S3
