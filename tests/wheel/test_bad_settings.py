"""A bad value of any variable of ours is an error that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gypsum_client as gyp
import pygobbler as pyg
import pytest
from selenite import InvalidArgumentError, _core
from support.fake import as_json, serving

BAD = {
    "SELENITE_JOBS": ["many", "0", "-1", "1.5"],
    "SELENITE_TIMEOUT": ["soon", "0", "-1", "inf", "nan", "1e300"],
    "SELENITE_CONNECT_TIMEOUT": ["", "5 s", "0"],
    "SELENITE_RETRIES": ["-1", "1.5", "no"],
    "SELENITE_OFFLINE": ["maybe", "2"],
    "SELENITE_VERIFY": ["sometimes"],
    "SELENITE_DIGEST": ["md5", "sse"],
    "SELENITE_LOG": ["loud", "2"],
    "SELENITE_PROGRESS": ["bar"],
}
COMMAND = "from selenite.cli import main; main()"
PAIRS = [(name, value) for name, values in BAD.items() for value in values if value]


@pytest.mark.parametrize(("name", "value"), [*PAIRS, ("SELENITE_OFFLINE", os.fsdecode(b"1\xff"))])
def test_it_is_named(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    calls: list[Callable[[], object]] = [
        lambda: pyg.list_projects(str(tmp_path), "http://nowhere"),
        lambda: gyp.list_projects(url="http://nowhere"),
        lambda: _core.digest_files([]),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match=name) as caught:
            call()
        assert caught.value.argument == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SELENITE_JOBS", " 2 "),
        ("SELENITE_TIMEOUT", "1e3"),
        ("SELENITE_RETRIES", "0"),
        ("SELENITE_OFFLINE", "False"),
        ("SELENITE_VERIFY", "Off"),
        ("SELENITE_DIGEST", "neon"),
        ("SELENITE_LOG", "ERROR"),
        ("SELENITE_PROGRESS", "AUTO"),
        *((name, " ") for name in BAD),
    ],
)
def test_good_values_are_taken(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with serving(lambda *_: as_json(["p/"])) as fake:
        assert gyp.list_projects(url=fake.url) == ["p"]


def test_another_service_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_GOBBLER_BINARY", "/no/such/binary")
    with pytest.raises(ValueError, match="SELENITE_GOBBLER_BINARY `/no/such/binary`"):
        pyg.start_gobbler()


@pytest.mark.parametrize("kind", ["gobbler", "gypsum"])
def test_services_say_it_too(kind: str, tmp_path: Path) -> None:
    places = {
        "gobbler": ["-staging", str(tmp_path / "s"), "-registry", str(tmp_path / "r")],
        "gypsum": ["--registry", str(tmp_path)],
    }
    for name in ("s", "r"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-c", COMMAND, "serve", kind, *places[kind]]
    own = {"SELENITE_JOBS": "many"} if kind == "gobbler" else {"SELENITE_GYPSUM_PORT": "many"}
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True)
    assert done.returncode != 0
    assert next(iter(own)) in done.stderr
