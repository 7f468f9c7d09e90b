"""`selenite serve gypsum`: options, start, stop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenite.testing import GypsumServer
from support.gypsum import exchange
from support.service import COMMAND, wait_until


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, which must come soon."""
    command = [str(COMMAND), "serve", "gypsum", *options]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=variables)


class Running:
    """The command, running."""

    def __init__(self, root: Path, *options: str, **environment: str) -> None:
        self.log = root / "log"
        (root / "registry").mkdir()
        command = [str(COMMAND), "serve", "gypsum", "--registry", str(root / "registry"), *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **environment}
            )
        wait_until(lambda: "listening on" in self.log.read_text(), "the service listens")
        match = re.search(r"listening on (\S+)", self.log.read_text())
        assert match is not None
        self.url = match[1]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for one in running:
        one.process.kill()
        one.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_its_url_and_ends_cleanly(
    tmp_path: Path, started: list[Running], number: signal.Signals
) -> None:
    running = Running(tmp_path)
    started.append(running)
    assert exchange(running.url, "GET", "/list").json() == []
    running.process.send_signal(number)
    assert running.process.wait(60) == 0
    assert "stopped" in running.log.read_text()
    assert list((tmp_path / "registry").iterdir()) == []


def test_options_can_be_variables(tmp_path: Path, started: list[Running]) -> None:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"t": {"login": "a"}}))
    tokens.chmod(0o600)
    running = Running(
        tmp_path,
        "--github-app-id=app",
        SELENITE_GYPSUM_GITHUB_APP_SECRET="hidden",
        SELENITE_GYPSUM_TOKENS=str(tokens),
        SELENITE_GYPSUM_ADMINS="a b",
        SELENITE_GYPSUM_QUOTA_BASELINE="7.5",
    )
    started.append(running)
    answer = exchange(running.url, "GET", "/credentials/github-app")
    assert answer.json() == {"id": "app", "secret": "hidden"}
    assert exchange(running.url, "GET", "/credentials/s3-api").status == 404
    headers = {"Authorization": "Bearer t"}
    assert exchange(running.url, "POST", "/create/p", headers, b"{}").status == 200
    quota = json.loads((tmp_path / "registry/p/..quota").read_text())
    assert (quota["baseline"], quota["growth_rate"]) == (7.5, 20_000_000_000)
    assert "hidden" not in running.log.read_text()


@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ([], 2, "--registry"),
        (["--registry", "/nowhere"], 2, "/nowhere"),
        (["--registry", ".", "--nope"], 2, "--nope"),
        (["--registry", ".", "--port", "x"], 2, "--port"),
        (["--registry", ".", "--s3-key", "k"], 2, "endpoint"),
        (["--registry", ".", "--tokens", "nowhere"], 1, "nowhere"),
        (["--registry", ".", "--public-url", "ftp://x"], 1, "ftp://x"),
        (["--registry", ".", "--quota-baseline=-1"], 1, "quota_baseline"),
    ],
)
def test_bad_options_end_it_with_a_reason(options: list[str], status: int, word: str) -> None:
    ended = run(*options)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert word in ended.stderr


def test_each_request_is_a_line_without_secrets(tmp_path: Path, started: list[Running]) -> None:
    running = Running(tmp_path)
    started.append(running)
    path = "/upload/object/slug?expires=1&signature=abc"
    headers = {"Authorization": "Bearer topsecret"}
    assert exchange(running.url, "PUT", path, headers, b"x").status == 403
    # Who opens such a URL in a browser does not use it up.
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        exchange(running.url, method, path, headers)
    exchange(running.url, "PUT", "/" + path, headers, b"x")
    assert exchange(running.url, "GET", "/list?prefix=seen", headers).status == 200
    wait_until(lambda: "GET /list?prefix=seen 200" in running.log.read_text(), "it is logged")
    log = running.log.read_text()
    assert "PUT /upload/object/slug 403" in log
    assert "abc" not in log
    assert "topsecret" not in log


def test_a_server_for_tests_reports_why_it_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="public_url"):
        GypsumServer(tmp_path, public_url="nonsense").start()
    with GypsumServer(tmp_path) as running, pytest.raises(RuntimeError, match="already"):
        running.start()
    running.stop()


def test_its_url_can_be_read_from_standard_output(tmp_path: Path) -> None:
    options = ["--registry", str(tmp_path), "--print-url", "--log-format", "json"]
    with subprocess.Popen(
        [str(COMMAND), "serve", "gypsum", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().decode().strip()
        assert exchange(url, "GET", "/list").json() == []
        process.terminate()
        first, *lines = process.stderr.read().decode().splitlines()
    assert first.startswith("warning: nobody may write")
    told = [json.loads(line) for line in lines]
    assert told[0]["message"] == f"listening on {url}"
    assert "GET /list" in told[1]["message"]
    assert all(set(one) == {"time", "message"} for one in told)
