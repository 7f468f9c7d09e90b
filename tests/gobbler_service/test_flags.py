"""The command line of the service, as it was in Go: what settings come of it."""

from __future__ import annotations

import os
import subprocess

import pytest
from selenite._serve_gobbler import FlagError, TextError, parse
from support.service import COMMAND

PLAIN = {"staging": "/s", "registry": "/r", "port": 1, "durable": False}


@pytest.mark.parametrize(
    "line",
    [
        "-staging /s -registry /r -port 1 -durable=false",
        "--staging /s --registry /r --port 1 --durable=false",
        "-staging=/s --registry=/r -port=0x1 -durable=F",
        "-port 9 -staging /x -staging /s -registry /r -port 0b1 -durable=0",
        "-staging /s -registry /r -port +1 -durable=FALSE word -port 7",
        "-staging /s -registry /r -port 1 -durable=f -- -port 7",
        "-staging /s -registry /r -port 1 -durable=false - -port 7",
    ],
)
def test_all_spellings_of_a_flag_are_equal(line: str) -> None:
    assert parse(line.split()) == PLAIN


def test_only_what_is_given_is_set() -> None:
    assert parse([]) == parse(["word", "-port", "1"]) == {}
    assert parse(["-durable", "-insecure-staging"]) == {"durable": True, "insecure_staging": True}
    assert parse(["-admin", "a,,b", "-admin=", "-allow-host", "h"]) == {
        "administrators": [],
        "hosts": ["h"],
    }
    assert parse(["-allow-root", "a", "--allow-root=b"]) == {"allow_roots": ["a", "b"]}
    assert parse(["-port", "-1", "-probation", "-3"]) == {"port": -1, "probation": -3}
    assert parse(["-host=-x", "-prefix="]) == {"host": "-x", "prefix": ""}


@pytest.mark.parametrize(
    "line",
    [
        "-x",
        "-stag /s",
        "--adm a",
        "-portal 1",
        "-port",
        "-port=",
        "-port eight",
        "-port 08",
        "-port --1",
        "-concurrency -",
        "-durable=maybe",
        "---staging s",
        "-=s",
        "-hx",
    ],
)
def test_what_is_no_flag_is_an_error_that_names_it(line: str) -> None:
    with pytest.raises(FlagError, match=line.split()[0].strip("-=").split("=")[0]):
        parse(line.split())


def test_directories_must_be_text() -> None:
    with pytest.raises(TextError, match=r"-registry .*not valid UTF-8"):
        parse(["-registry", os.fsdecode(b"/\xff")])


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("-h", 0),
        ("--help", 0),
        ("", 1),
        ("-staging s", 1),
        ("word -staging s -registry r", 1),
        ("-staging s -registry r -port 70000", 1),
        ("-staging s -registry r -concurrency 0", 1),
        ("-staging s -registry r -port 08", 2),
    ],
)
def test_each_fault_has_its_status(line: str, status: int) -> None:
    command = [str(COMMAND), "serve", "gobbler", *line.split()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == status
    told = ended.stdout if status == 0 else ended.stderr
    assert "-staging" in told or "-port" in told or "-concurrency" in told
    assert "Traceback" not in told
