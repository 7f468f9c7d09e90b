"""What the core does is told to Python's `logging`, as far as somebody wants to know."""

from __future__ import annotations

import importlib
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenite import InvalidArgumentError, SeleniteError, _core
from support.fake import Reply, serving

REQUEST = re.compile(r"(\w+) (\S+) (\d+|failed \(.+\)) in [\d.]+ ms, try (\d+)")
HTTP = "selenite.http"


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    importlib.import_module("selenite._log")
    yield
    logging.getLogger(HTTP).setLevel(logging.NOTSET)
    logging.getLogger("selenite").setLevel(logging.NOTSET)
    logging.disable(logging.NOTSET)


def script(_method: str, path: str) -> Reply:
    return Reply(b"x" * 9) if path.endswith("/a") else Reply(b"no", 404, "text/plain")


def fetch(url: str, target: Path, name: str = "a") -> None:
    _core.download_files(url, [name], target)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == HTTP]


def test_each_request_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "selenite")
    with serving(script) as fake:
        before = logging.LogRecord("", 0, "", 0, "", None, None).created
        fetch(f"{fake.url}/base", tmp_path / "x")
        with pytest.raises(SeleniteError):
            fetch(f"{fake.url}/base", tmp_path / "y", "none")
    found = [REQUEST.fullmatch(message) for message in told(caplog)]
    assert [match and match.groups() for match in found] == [
        ("GET", f"{fake.url}/base/a", "200", "1"),
        ("GET", f"{fake.url}/base/none", "404", "1"),
    ]
    record = next(record for record in caplog.records if record.name == HTTP)
    assert record.levelno == logging.DEBUG
    assert before <= record.created <= before + 30
    placed = [record for record in caplog.records if record.name == "selenite.transfer"]
    assert [record.getMessage() for record in placed] == [f'received "{tmp_path}/x/a"']


def test_each_try_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    caplog.set_level(logging.DEBUG, "selenite")
    replies = iter([Reply(b"", 502), Reply(b"", 504), Reply(b"ok")])
    with serving(lambda *_: next(replies)) as fake:
        fetch(fake.url, tmp_path)
    tries = [REQUEST.fullmatch(message) for message in told(caplog)]
    assert [match and match.groups()[2:] for match in tries] == [
        ("502", "1"),
        ("504", "2"),
        None,
        ("200", "3"),
    ]
    warning = next(record for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.getMessage() == f"GET {fake.url}/a 504: sent again after 2 tries"


def test_warnings_are_not_printed_unasked(tmp_path: Path) -> None:
    replies = iter([Reply(b"", 502), Reply(b"", 504), Reply(b"ok")])
    code = f"import logging; {FETCH}; print(logging.getLogger('selenite').handlers)"
    with serving(lambda *_: next(replies)) as fake:
        done = run(code, fake.url, str(tmp_path))
    assert (done.stdout, done.stderr) == ("[<NullHandler (NOTSET)>]\n", "")


def test_a_request_without_an_answer_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    caplog.set_level(logging.DEBUG, HTTP)
    with serving(script) as fake:
        url = fake.url
    with pytest.raises(SeleniteError):
        fetch(url, tmp_path)
    (message,) = told(caplog)
    match = REQUEST.fullmatch(message)
    assert match
    assert "refused" in match[3]


def test_nothing_is_told_unasked_and_levels_may_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(script) as fake:
        fetch(fake.url, tmp_path / "1")
        assert caplog.records == []
        logging.getLogger(HTTP).setLevel(logging.DEBUG)
        fetch(fake.url, tmp_path / "2")
        assert len(caplog.records) == 1, "transfers were not asked for"
        logging.getLogger(HTTP).setLevel(logging.INFO)
        fetch(fake.url, tmp_path / "3")
        logging.getLogger(HTTP).setLevel(logging.DEBUG)
        logging.disable(logging.CRITICAL)
        fetch(fake.url, tmp_path / "4")
        assert len(caplog.records) == 1


def test_no_secret_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)

    def moving(_method: str, path: str) -> Reply:
        if "X-Amz" in path:
            return Reply(b"", 404)
        moved = "/there/a?X-Amz-Signature=hush&X-Amz-Credential=hush&part=hush"
        return Reply(b"", 302, headers={"Location": moved})

    with serving(moving) as fake:
        url = fake.url.replace("//", "//me:hush@")
        with pytest.raises(SeleniteError):
            fetch(url, tmp_path)
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "GET" in text
    assert "/there/a 404" in text
    assert "hush" not in text


def test_a_handler_may_use_the_core_and_may_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, HTTP)
    (tmp_path / "file").write_bytes(b"x")

    class Odd(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            _core.digest_files([tmp_path / "file"])
            raise RuntimeError(record.getMessage())

    odd = Odd()
    logging.getLogger(HTTP).addFilter(odd)
    try:
        with serving(script) as fake:
            fetch(fake.url, tmp_path / "x")
    finally:
        logging.getLogger(HTTP).removeFilter(odd)
    assert (tmp_path / "x" / "a").read_bytes() == b"x" * 9
    assert "RuntimeError: GET" in capsys.readouterr().err


def test_many_threads_are_told_without_a_loss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, HTTP)
    with serving(script) as fake:
        calls = [
            threading.Thread(target=fetch, args=(fake.url, tmp_path / str(number)))
            for number in range(8)
        ]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
    assert len(told(caplog)) == 8


def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
        timeout=60,
    )


FETCH = (
    "import sys; from selenite import _core; _core.download_files(sys.argv[1], ['a'], sys.argv[2])"
)


def test_a_variable_shows_it_on_stderr(tmp_path: Path) -> None:
    with serving(script) as fake:
        shown = run(FETCH, fake.url, str(tmp_path / "x"), SELENITE_LOG="Debug").stderr
        assert re.search(r"^[\d:.]+ DEBUG selenite\.http: GET \S+/a 200 in", shown, re.MULTILINE)
        assert "DEBUG selenite.transfer: received" in shown
        for level in ("warning", "off", " "):
            shown = run(FETCH, fake.url, str(tmp_path / level), SELENITE_LOG=level).stderr
            assert shown == "", level


def test_the_variable_is_read_by_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("selenite")
    before = list(logger.handlers)
    with serving(script) as fake:
        for number in range(3):
            monkeypatch.setenv("SELENITE_LOG", "info" if number == 1 else "debug")
            fetch(fake.url, tmp_path / str(number))
            assert len(logger.handlers) == len(before) + 1
            assert ("GET" in capsys.readouterr().err) is (number != 1)
        monkeypatch.delenv("SELENITE_LOG")
        fetch(fake.url, tmp_path / "last")
    assert logger.handlers == before
    assert logger.level == logging.NOTSET
    monkeypatch.setenv("SELENITE_LOG", "loud")
    with pytest.raises(InvalidArgumentError, match="SELENITE_LOG"):
        _core.digest_files([])


def test_logging_is_not_even_imported_unasked(tmp_path: Path) -> None:
    with serving(script) as fake:
        code = f"{FETCH}; print('logging' in sys.modules)"
        assert run(code, fake.url, str(tmp_path / "x")).stdout == "False\n"


def test_a_forked_child_tells_its_own(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path\n"
        "import sys; from selenite import _core\n"
        "def fetch(name):\n"
        "    _core.download_files(sys.argv[1], ['a'], Path(sys.argv[2], name))\n"
        "fetch('1')\n"
        "if child := os.fork():\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "else:\n"
        "    fetch('2'); sys.exit()\n"
    )
    with serving(script) as fake:
        shown = run(code, fake.url, str(tmp_path), SELENITE_LOG="debug").stderr
    assert shown.count("selenite.http: GET") == 2
