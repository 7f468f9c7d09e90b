"""The tool itself: what it keeps of a run, and which calls it lets fail."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.crash import Failing, OverQuota, Recording, Traced, record
from support.tree import read

# Writes a file beside another, and puts it in its place; `sync` is what is done before that.
CODE = """
import os, sys
input()
file = os.open("new", os.O_CREAT | os.O_WRONLY)
rest = b"content"
while rest:
    rest = rest[os.write(file, rest):]
{sync}
os.close(file)
os.rename("new", "old")
"""


def run(folder: Path, ask: Failing | Recording, sync: str = "") -> int:
    command = [sys.executable, "-c", CODE.format(sync=sync)]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with Traced(folder, command, cwd=folder, **streams) as traced:

        def act() -> int:
            assert traced.process.stdin is not None
            with traced.process.stdin as stdin:
                stdin.write(b"\n")
            return traced.wait()

        if isinstance(ask, Recording):
            status, recording = record(traced, folder, folder.parent, act)
            ask.states += recording.states
            ask.durable_from = recording.durable_from
            return status
        traced.ask = ask
        return act()


def test_a_run_shows_what_a_kill_would_leave(tmp_path: Path) -> None:
    (folder := tmp_path / "folder").mkdir()
    (folder / "old").write_text("old")
    recording = Recording()
    assert run(folder, recording) == 0
    left = [read(state.folder) for state in recording.states]
    old = {"old": b"old"}
    assert left == [
        old,
        {**old, "new": b""},
        {**old, "new": b"con"},
        {**old, "new": b"content"},
        {"old": b"content"},
    ]
    assert [state.call and state.call.name for state in recording.states] == [
        *("open", "write", "write", "rename"),
        None,
    ]
    assert [state.number for state in recording.points("kill")] == [1, 2, 3, 4, 5]
    assert [state.number for state in recording.points("lost")] == [3, 4, 5]
    recording.states[-1].restore(folder, power_failed=True)
    assert read(folder) == {"old": b""}


@pytest.mark.parametrize("sync", ["os.fsync(file)", "os.fdatasync(file)"])
def test_what_was_synced_is_not_lost(tmp_path: Path, sync: str) -> None:
    (folder := tmp_path / "folder").mkdir()
    recording = Recording()
    assert run(folder, recording, sync) == 0
    assert [state.lost for state in recording.states] == [(), (), ("new",), ("new",), (), ()]
    assert recording.durable_from == 5


def test_one_call_fails(tmp_path: Path) -> None:
    for number, left in [(1, {}), (2, {"new": b""}), (3, {"new": b"content"})]:
        (folder := tmp_path / str(number)).mkdir()
        failing = Failing(number, errno.EIO)
        assert run(folder, failing) == 1
        assert failing.hit is not None
        assert read(folder) == left
    (folder := tmp_path / "quota").mkdir()
    assert run(folder, late := OverQuota(2, errno.EDQUOT)) == 1
    assert late.hit is not None
    assert late.hit.name == "close"
    assert read(folder) == {"new": b"content"}
