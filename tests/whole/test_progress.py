"""Progress is told to whoever asks, and an error of theirs stops the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
import selenite
from support.service import Gobbler
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
