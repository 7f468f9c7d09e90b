"""The consoles of `docs/command.md` show what happens: each of its blocks is run on a terminal."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.command import Run, Services
from support.service import COMMAND, USER
from support.terminal import shown_on
from support.tree import make

PAGE = Path(__file__).parents[2] / "docs" / "command.md"
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
PROMPT = "$ "
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


def on_a_terminal(line: str) -> str:
    """What a terminal without colours shows of a line of the shell."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["sh", "-c", line],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}", "TERM": "dumb"},
    )
    os.close(theirs)
    shown = shown_on(ours)
    process.wait(30)
    return shown


def leveled(text: str, replaced: dict[str, str]) -> list[str]:
    """Take out what differs from run to run: times, places, users, and the widths of these."""
    for old, new in replaced.items():
        text = text.replace(old, new)
    lines = TIME.sub("2026-11-25 13:28", text).splitlines()
    return [re.sub(" +", " ", line).strip() for line in lines]


def test_there_is_much_to_see() -> None:
    assert "".join(BLOCKS).count(f"\n{PROMPT}") > 15


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_console_shows_what_happens(
    number: int, selenite: Run, services: Services, home: Path
) -> None:
    make(home / "work" / "results", {"notes.txt": "11 bytes..\n", "plot.svg": "<svg/>\n"})
    replaced = {
        str(home / "cache"): "/home/alice/.cache",
        str(home / "config"): "/home/alice/.config",
        services.gobbler.url: "http://gobbler.lab:8080",
        services.gypsum.url: "http://gypsum.lab",
        f"by {USER}": "by alice",
        f" {USER} ": " alice ",
    }
    told, _, rest = BLOCKS[number].partition(PROMPT)
    assert told == ""
    for step in rest.split(f"\n{PROMPT}"):
        line, _, expected = step.partition("\n")
        shown = on_a_terminal(line)
        assert leveled(shown, replaced) == leveled(expected, replaced), line
