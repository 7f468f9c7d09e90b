"""Progress is told to whoever asks, and an error of theirs stops the work."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import selenite
import tqdm.std
from selenite import _progress
from support import bucket as support
from support.bucket import OWNER
from support.proxy import Fault, between
from support.service import Gobbler
from support.terminal import shown_on
from support.tree import Tree

Build = Callable[[Tree], str]
TREE: Tree = {f"f{number}": bytes([number]) * 1_000_000 for number in range(20)}
SIZE = 20_000_000


@pytest.fixture
def project(gobbler: Gobbler) -> Gobbler:
    pyg.create_project("test", **gobbler.writer)
    return gobbler


def test_uploads_and_fetches_tell_their_progress(
    project: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    directory = source(TREE)
    for work in (
        lambda: pyg.upload_directory("test", "a", "v", directory, **project.writer),
        lambda: pyg.version_path("test", "a", "v", **remote),
    ):
        events: list[Any] = []
        with selenite.progress(events.append):
            work()
        assert events
        done = [event.bytes_done for event in events]
        assert done == sorted(done)
        assert done[-1] >= SIZE
        assert events[-1].files_done >= 20
        check(events)


def check(events: list[Any]) -> None:
    """The whole is known before much of it is done, and reached in the end."""
    for event in events:
        assert event.bytes_done <= event.bytes_total or event.bytes_total == 0
        assert event.bytes_total in (0, events[-1].bytes_total)
    assert events[-1].bytes_done == events[-1].bytes_total
    assert events[-1].files_done == events[-1].files_total


def test_files_of_unknown_size_are_estimated(
    project: Gobbler, source: Build, remote: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pyg.upload_directory("test", "a", "v", source(TREE), **project.writer)
    monkeypatch.setenv("SELENITE_VERIFY", "off")
    events: list[Any] = []
    with selenite.progress(events.append):
        pyg.fetch_directory("test/a/v", **remote)
    for event in events:
        assert event.bytes_done <= event.bytes_total
        if event.bytes_done > 1_000_000:
            assert event.bytes_total > SIZE / 2
    assert events[-1].bytes_done == events[-1].bytes_total > SIZE


def test_what_is_sent_or_received_again_counts_once(source: Build, tmp_path: Path) -> None:
    folder = Path(source({f"f{number}": b"x" * 300_000 for number in range(8)}))
    harmed: set[str] = set()

    def once(method: str, path: str, _: int) -> Fault | None:
        path = f"{method} {path.split('?')[0]}"
        is_transfer = method == "PUT" or (method == "GET" and "%2Ff" in path)
        if not is_transfer or path in harmed:
            return None
        harmed.add(path)
        return Fault(reset="middle" if method == "PUT" else "answer")

    with support.serving() as bucket, between(bucket.url, once) as proxy:
        gyp.create_project("p", "alice", **bucket.writer)
        for work in (
            lambda: gyp.upload_directory(
                folder, "p", "a", "v", cache_dir=tmp_path / "none", url=proxy.url, token=OWNER
            ),
            lambda: gyp.save_version("p", "a", "v", cache_dir=tmp_path / "cache", url=proxy.url),
        ):
            events: list[Any] = []
            with selenite.progress(events.append):
                work()
            done = [event.bytes_done for event in events]
            assert done == sorted(done)
            assert all(
                event.bytes_done <= event.bytes_total or not event.bytes_total for event in events
            )
            assert events[-1].bytes_done == events[-1].bytes_total >= 2_400_000
    assert len(harmed) == 16


def test_an_exception_of_the_callback_stops_the_work(
    project: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    def complain(event: Any) -> None:
        raise RuntimeError("enough")

    directory = source(TREE)
    with pytest.raises(RuntimeError, match="enough"), selenite.progress(complain):
        pyg.upload_directory("test", "a", "v", directory, **project.writer)
    assert list(Path(project.staging).glob("request-*")) == []


def test_nothing_is_printed_unless_wanted(
    project: Gobbler, source: Build, remote: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    pyg.upload_directory("test", "a", "v", source(TREE), **project.writer)
    pyg.version_path("test", "a", "v", **remote)
    assert capfd.readouterr() == ("", "")


class Writer:
    """What logging set-ups put in place of a stream."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


class Broken(Writer):
    """A stream of which one thing fails, for this reason."""

    def __init__(self, what: str, error: Exception) -> None:
        self.what = what
        self.error = error

    def fail_at(self, what: str) -> None:
        if what == self.what:
            raise self.error

    def isatty(self) -> bool:
        self.fail_at("isatty")
        return True

    def fileno(self) -> int:
        self.fail_at("fileno")
        return 2

    def write(self, text: str) -> int:
        self.fail_at("write")
        return len(text)

    def flush(self) -> None:
        self.fail_at("flush")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "no isatty": Writer,
    "closed": closed,
    "isatty": lambda: Broken("isatty", RuntimeError("no")),
    "fileno": lambda: Broken("fileno", io.UnsupportedOperation("fileno")),
    "write": lambda: Broken("write", BrokenPipeError(32, "broken pipe")),
    "write to a closed one": lambda: Broken("write", ValueError("closed")),
    "flush": lambda: Broken("flush", OSError(28, "no space")),
}


@pytest.mark.parametrize("wish", ["auto", "on"])
@pytest.mark.parametrize("stream", list(STREAMS))
def test_no_stream_makes_a_call_fail(
    project: Gobbler,
    source: Build,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    stream: str,
    wish: str,
) -> None:
    monkeypatch.setenv("SELENITE_PROGRESS", wish)
    monkeypatch.setattr(_progress, "_BAR_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(_progress, "_LOG_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", STREAMS[stream]())
        pyg.upload_directory("test", "a", "v", source({"a": "x"}), **project.writer)
    assert capfd.readouterr().err == ""


def test_a_bar_that_breaks_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_BAR_DELAY_SECONDS", 0.0)
    stream = Broken("nothing", BrokenPipeError(32, "broken pipe"))
    monkeypatch.setattr(sys, "stderr", stream)
    with selenite.progress(True), _progress.tracking("test", "a") as update:
        assert update is not None
        update(1, 10, 0, 1)
        stream.what = "write"
        for count in range(2, 5):
            update(count, 10, 0, 1)


def test_nothing_but_a_bar_needs_tqdm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(_progress, "_BAR_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(_progress, "_LOG_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", Broken("nothing", OSError()))
    hint = re.escape("the progress bar needs `tqdm`, which is not installed (`pip install tqdm`)")
    with (
        caplog.at_level(logging.INFO, "selenite.transfer"),
        selenite.progress(True),
        _progress.tracking("test", "a") as update,
    ):
        assert update is not None
        with pytest.warns(selenite.SeleniteWarning, match=hint):
            update(1, 10, 0, 1)
        update(2, 10, 1, 1)
    assert caplog.messages[0] == "test: 1 of 1 files, 2 of 10 bytes"
    end = r"test of a done: 1 files, 2 bytes in \d+\.\d s, 0 retries"
    assert re.fullmatch(end, caplog.messages[1])


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stops all clocks, which then go on by so many seconds when they are told to."""
    now = 1000.0

    def go_on(seconds: float) -> None:
        nonlocal now
        now += seconds

    for module, name in ((time, "time"), (time, "monotonic"), (tqdm.std, "time")):
        monkeypatch.setattr(module, name, lambda: now)
    return go_on


def test_the_clock_of_a_bar_begins_with_the_call(
    monkeypatch: pytest.MonkeyPatch, go_on: Callable[[float], None]
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    with selenite.progress(True), _progress.tracking("test", "a") as update:
        assert update is not None
        update(500_000_000, 1_000_000_000, 1, 2)
        assert stream.getvalue() == "", "a short call shows nothing"
        go_on(100)
        update(500_000_000, 1_000_000_000, 1, 2)
        shown = stream.getvalue()
        assert "500M/1.00G [01:40<01:40, 5.00MB/s, 1/2 files]" in shown
        assert shown.count("\r") == 1


def test_a_terminal_without_a_size_has_a_bar(
    monkeypatch: pytest.MonkeyPatch, go_on: Callable[[float], None]
) -> None:
    ours, theirs = os.openpty()
    assert os.get_terminal_size(theirs).columns == 0
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(_progress, "_BAR_DELAY_SECONDS", 0.0)
        with selenite.progress(True), _progress.tracking("test", "a") as update:
            assert update is not None
            go_on(10)
            update(1, 2, 0, 1)
    shown = shown_on(ours)
    assert "50%|" in shown
    # What stands around it moves the cursor.
    line = re.search(r"test:[^\x1b\r\n]*", shown)
    assert line
    assert len(line[0]) <= 80


def test_lines_that_were_asked_for_are_plain(
    capsys: pytest.CaptureFixture[str], go_on: Callable[[float], None]
) -> None:
    with selenite.progress(True), _progress.tracking("test", "a") as update:
        assert update is not None
        update(1_000_000, 2_000_000, 0, 1)
        go_on(11)
        update(1_000_000, 2_000_000, 0, 1)
        update(2_000_000, 2_000_000, 1, 1)
    assert capsys.readouterr().err.splitlines() == [
        "test: 0 of 1 files, 1.00 MB of 2.00 MB, 11 s",
        "test: 1 of 1 files, 2.00 MB of 2.00 MB, 11 s",
    ]


class Shell:
    """What IPython has in a notebook."""

    kernel = "a kernel"

    def get_ipython(self) -> Shell:
        return self


def test_a_notebook_without_widgets_has_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    go_on: Callable[[float], None],
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", Shell())
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    # The lines of bars that others have are none of ours.
    with (
        tqdm.std.tqdm(file=io.StringIO()),
        selenite.progress(True),
        _progress.tracking("test", "a") as update,
    ):
        assert update is not None
        go_on(10)
        for count in range(1, 100):
            update(count, 100, 0, 1)
    shown = capsys.readouterr().err
    assert shown.count("\r") <= 3, "at most twice a second, and at the end"
    assert shown.endswith("\n")
    assert shown.count("\n") == 1


def test_callbacks_are_told_the_time(go_on: Callable[[float], None]) -> None:
    events: list[Any] = []
    with selenite.progress(events.append), _progress.tracking("test", "a") as update:
        assert update is not None
        go_on(5)
        update(1, 2, 0, 1)
    assert [event.kind for event in events] == ["start", "advance", "done"]
    assert [event.elapsed for event in events] == [0, 5, 5]


class Listener:
    """As a callback of fsspec."""

    size: int | None = None
    value = 0

    def set_size(self, size: int) -> None:
        self.size = size

    def relative_update(self, inc: int = 1) -> None:
        self.value += inc


def test_a_callback_of_fsspec_is_told_bytes(
    project: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    directory = source(TREE)
    listener = Listener()
    with selenite.progress(listener):
        pyg.upload_directory("test", "a", "v", directory, **project.writer)
    assert (listener.value, listener.size) == (SIZE, SIZE)


def test_the_end_of_a_call_is_told_to_the_log(
    project: Gobbler, source: Build, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "selenite")
    directory = source({"a": "text", "b": "more"})
    pyg.upload_directory("test", "a", "v", directory, **project.writer)
    (message,) = caplog.messages
    end = r"upload_directory of (\S+) done: 2 files, 8 bytes in \d+\.\d s, 0 retries"
    found = re.fullmatch(end, message)
    assert found
    assert found[1] == directory
    caplog.clear()
    with pytest.raises(OSError, match="404"):
        pyg.fetch_file("test/a/v/c", **{**project.remote, "cache": str(tmp_path)})
    assert "fetch_file of test/a/v/c failed: 0 files, 0 bytes" in caplog.messages[-1]


def test_the_error_of_a_call_is_not_hidden_by_that_of_a_callback() -> None:
    def complain(event: Any) -> None:
        if event.kind == "error":
            raise RuntimeError("of the callback")

    with (
        pytest.raises(OSError, match="of the call"),
        selenite.progress(complain),
        _progress.tracking("test", "a"),
    ):
        raise OSError("of the call")
