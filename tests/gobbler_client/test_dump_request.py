"""The private functions that programs are known to use."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
import requests
from support.errors import refused
from support.fake import Reply, as_json, serving
from support.service import Gobbler
from support.tree import md5

dump_request: Any = sys.modules["pygobbler._utils"].dump_request


def test_the_answer_is_returned(gobbler: Gobbler) -> None:
    answer = dump_request(gobbler.staging, gobbler.url, "create_project", {"project": "test"})
    assert answer == {"status": "SUCCESS"}
    assert pyg.list_projects(**gobbler.local) == ["test"]
    assert os.listdir(gobbler.staging) == []


def test_the_request_file_lies_in_staging_while_it_is_answered(tmp_path: Path) -> None:
    seen: list[tuple[str, str, int]] = []

    def script(method: str, path: str) -> Reply:
        file = tmp_path / path.removeprefix("/new/")
        seen.append((method, file.read_text(), stat.S_IMODE(file.stat().st_mode)))
        return as_json({"status": "SUCCESS", "more": 1})

    with serving(script) as fake:
        answer = dump_request(str(tmp_path), fake.url, "act", {"a": "é", "b": [1]}, spoof="ann")
    assert answer == {"status": "SUCCESS", "more": 1}
    text = (
        '{\n    "a": "\\u00e9",\n    "b": [\n        1\n    ],\n    "spoof": "ann",\n'
        '    "action": "act"\n}'
    )
    assert seen == [("POST", text, 0o644)]
    assert re.fullmatch(r"POST /new/request-act-[^/]+", fake.asked[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [0o077, 0o002])
def test_the_request_file_follows_the_umask_and_is_written_by_nobody_else(
    tmp_path: Path, mask: int
) -> None:
    modes: list[int] = []

    def script(method: str, path: str) -> Reply:
        modes.append(stat.S_IMODE((tmp_path / path.removeprefix("/new/")).stat().st_mode))
        return as_json({"status": "SUCCESS"})

    os.umask(mask)
    with serving(script) as fake:
        dump_request(str(tmp_path), fake.url, "act", {})
    assert modes == [0o644 & ~mask]


@pytest.mark.parametrize(
    ("reply", "status", "reason"),
    [
        (as_json({"status": "ERROR", "reason": "no"}, 400), 400, "no"),
        (Reply(b" some text \n", 500, "text/plain"), 500, "some text"),
        (Reply(b" some text \n", 500, "text/plain; charset=utf-8"), 500, "some text"),
        (Reply(b"<html>proxy</html>", 502, "text/html"), 502, "<html>proxy"),
        (Reply(b"{}", 500, "application/json"), 500, "{}"),
        (Reply(b"{", 500, "application/json"), 500, "{"),
        (Reply(b"bare", 500, None), 500, "bare"),
        (Reply(b"", 503, None), 503, ""),
        (Reply(b"", 301, headers={"Location": "/elsewhere"}), 301, ""),
    ],
)
def test_errors_have_status_and_reason_and_leave_no_file(
    tmp_path: Path, reply: Reply, status: int, reason: str
) -> None:
    with serving(lambda *_: reply) as fake, refused(status, reason):
        dump_request(str(tmp_path), fake.url, "act", {})
    assert list(tmp_path.iterdir()) == []
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        as_json({"name": "gobbler API", "url": "x"}),
        as_json({"status": "ERROR", "reason": "odd"}),
        as_json([]),
        Reply(b"<html>", 200, "text/html"),
    ],
)
def test_an_answer_that_is_no_success_is_an_error(tmp_path: Path, reply: Reply) -> None:
    with serving(lambda *_: reply) as fake, pytest.raises(requests.RequestException):
        dump_request(str(tmp_path), fake.url, "act", {})
    assert list(tmp_path.iterdir()) == []


def test_a_request_file_that_vanished_does_not_hide_the_answer(tmp_path: Path) -> None:
    def script(method: str, path: str) -> Reply:
        (tmp_path / path.removeprefix("/new/")).unlink()
        return as_json({"status": "ERROR", "reason": "no"}, 400)

    with serving(script) as fake, refused(400, "no"):
        dump_request(str(tmp_path), fake.url, "act", {})


def test_a_payload_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"invalid payload: .* out of range"):
        dump_request(str(tmp_path), "http://127.0.0.1:9", "act", {"number": 10**30})
    with pytest.raises(TypeError):
        dump_request(str(tmp_path), "http://127.0.0.1:9", "act", {"object": object()})
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_a_connection_error_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(requests.ConnectionError):
        dump_request(str(tmp_path), "http://127.0.0.1:9", "act", {})
    assert list(tmp_path.iterdir()) == []


def test_md5_of_a_file(tmp_path: Path) -> None:
    compute: Any = sys.modules["pygobbler.upload_directory"].compute_md5sum
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    assert compute(str(tmp_path / "file")) == md5(b"content" * 100_000)
    with pytest.raises(FileNotFoundError):
        compute(str(tmp_path / "missing"))


def test_the_local_cache_directory_is_named_after_the_url() -> None:
    local: Any = sys.modules["pygobbler.fetch_directory"]._local_registry
    expected = "/some/cache/http%3A%2F%2Fhost%3A8080"
    assert local("/some/cache", "http://host:8080") == expected
