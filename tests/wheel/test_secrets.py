"""What is secret in a request is in no exception, whatever the server says of it."""

from __future__ import annotations

import base64
import html
import json
import traceback
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
from gypsum_client._utils import _download_and_rename_file
from gypsum_client.fetch_metadata_database import get_last_modified_date
from support.fake import Fake, Reply, as_json, serving

WORD, TOKEN, SESSION = "hu/sh+word", "gho_t0ken", "session.t0ken=="
SIGNATURE, KEY = "0badcafe0badcafe", "AKIAKEYKEY"
SECRETS = (WORD, TOKEN, SESSION, SIGNATURE, KEY)
QUERY = f"X-Amz-Credential={KEY}%2F2026%2Fs3&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}"


def escaped(text: str) -> list[str]:
    """A text in the ways in which an answer may quote it."""
    digits = text.encode().hex(" ")
    twice = urllib.parse.quote(urllib.parse.quote(text, safe=""), safe="")
    slashed = json.dumps(text).replace("/", "\\/")
    return [text, urllib.parse.quote(text, safe=""), html.escape(text), digits, twice, slashed]


def quoting(heads: list[dict[str, str]], kind: str) -> Callable[[str, str], Reply]:
    """A script that quotes the whole request in an answer of this kind."""

    def script(method: str, path: str) -> Reply:
        head = heads[-1]
        bearer = head.get("authorization", "")
        known = base64.b64decode(bearer[6:]).decode() if bearer.startswith("Basic ") else ""
        parts = [path, *urllib.parse.parse_qs(path).values(), bearer, known, known[3:]]
        said = [form for part in parts for form in escaped("".join(part))]
        text = "\n".join(said)
        match kind:
            case "page":
                return Reply(text.encode(), 403, "text/html", {"X-Told": " ".join(said)})
            case "words":
                return Reply(text.encode(), 400, "text/plain")
            case "reason":
                return as_json({"status": "ERROR", "reason": text}, 403)
            case "success":
                return as_json({"status": "ERROR", "reason": text})
            case "moved":
                place = f"https://{KEY}:{SIGNATURE}@there/?{QUERY}"
                return Reply(place.encode(), 399, "text/plain", {"Location": place})
            case _:
                return Reply(text.encode(), 200, "application/json")

    return script


KINDS = ["page", "words", "reason", "success", "moved", "no JSON"]


def texts(error: BaseException | None) -> list[str]:
    """All that can be seen of an exception and of those that led to it."""
    if error is None:
        return []
    seen = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    response = getattr(error, "response", None)
    if response is not None:
        seen += [response.text, response.url, repr(response.headers)]
    return seen + texts(error.__cause__) + texts(error.__context__)


def shows_nothing(call: Callable[[], object], kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Expect an exception in which no secret can be found."""
    error = None
    try:
        call()
    except Exception as caught:
        error = caught
    # Some calls take any content.
    assert error is not None or kind in ("success", "no JSON")
    seen = texts(error) + list(capfd.readouterr())
    for secret in SECRETS:
        for form in (*escaped(secret), base64.b64encode(secret.encode()).decode()):
            assert [text for text in seen if form in text] == []


def with_word(fake: Fake) -> str:
    return fake.url.replace("://", f"://me:{urllib.parse.quote(WORD, safe='')}@")


@pytest.mark.parametrize("kind", KINDS)
def test_pygobbler_shows_no_password(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heads: list[dict[str, str]] = []
    with serving(quoting(heads, kind), heads=heads) as fake:
        url = with_word(fake)
        remote: dict[str, Any] = {"registry": None, "url": url, "force_remote": True}
        calls: list[Callable[[], object]] = [
            lambda: pyg.list_projects(**remote),
            lambda: pyg.fetch_manifest("p", "a", "v", cache=str(tmp_path / "c"), **remote),
            lambda: pyg.fetch_directory("p/a/v", cache=str(tmp_path / "d"), **remote),
            lambda: pyg.create_project("p", staging=str(tmp_path), url=url),
            lambda: pyg.service_info(url),
        ]
        for call in calls:
            shows_nothing(call, kind, capfd)


@pytest.mark.parametrize("kind", KINDS)
def test_gypsum_client_shows_no_token_and_no_signature(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    (tmp_path / "f").write_text("text")
    heads: list[dict[str, str]] = []
    quote = quoting(heads, kind)

    def script(method: str, path: str) -> Reply:
        if path == "/place":
            return as_json({"url": f"{fake.url}/bucket?{QUERY}", "md5sum_base64": ""})
        return quote(method, path)

    place = {"path": "f", "url": "/place", "method": "presigned"}
    session = {
        "file_urls": [place],
        "complete_url": "/complete",
        "abort_url": "/abort",
        "session_token": SESSION,
    }
    with serving(script, heads=heads) as fake:
        url = with_word(fake)
        calls: list[Callable[[], object]] = [
            lambda: gyp.list_projects(url=url),
            lambda: gyp.save_file("p", "a", "v", "f", cache_dir=tmp_path / "c", url=url),
            lambda: gyp.start_upload(
                "p", "a", "v", ["f"], directory=tmp_path, url=url, token=TOKEN
            ),
            lambda: gyp.set_access_token(TOKEN, github_url=fake.url, cache_dir=None),
            lambda: _download_and_rename_file(f"{fake.url}?{QUERY}", str(tmp_path / "m")),
            lambda: get_last_modified_date(url),
            lambda: gyp.remove_project("p", url=fake.url, token=TOKEN),
            lambda: gyp.upload_files(session, tmp_path, url=fake.url),
            lambda: gyp.complete_upload(session, url=fake.url),
        ]
        for call in calls:
            shows_nothing(call, kind, capfd)
