"""`girder:` addresses, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import Run, check
from support.girder import Girder, new_folder, running
from support.tree import make


@pytest.fixture(scope="module")
def girder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    with running(tmp_path_factory.mktemp("girder") / "files") as server:
        yield server


@pytest.fixture
def folder(girder: Girder, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new folder, for a user with a key."""
    client = girder.client()
    key = client.post("api_key", parameters={"name": "command"})["key"]
    monkeypatch.setenv("GIRDER_API_URL", girder.url)
    monkeypatch.setenv("GIRDER_API_KEY", key)
    made = new_folder(client)
    return f"girder:user/{client.get('user/me')['login']}/{made['name']}"


def test_a_round_trip(selenite: Run, folder: str, tmp_path: Path) -> None:
    source = make(tmp_path / "mine", {"a.txt": "text", "sub/b.txt": "more"})
    done = selenite("put", source, folder, "--dry-run")
    assert done.out.splitlines() == ["+      4 B  a.txt", "+      4 B  sub/b.txt"]
    assert selenite("ls", folder).out == ""
    check("girder put --dry-run", selenite("put", source, folder, "-n", "--json").json)
    done = selenite("put", source, folder, "--json")
    assert done.status == 0
    check("girder put", done.json)
    check("girder info", selenite("info", "girder:", "--json").json)
    check("girder info", selenite("info", folder, "--json").json)
    for inner in (folder, f"{folder}/mine"):
        check("girder ls", selenite("ls", inner, "--json").json)
    check("girder get", selenite("get", f"{folder}/mine", "again", "--json").json)
    assert selenite("ls", folder).out == "mine/\n"
    assert selenite("ls", f"{folder}/mine").out == "sub/\na.txt\n"
    found = selenite("info", f"{folder}/mine/a.txt", "--json").json
    check("girder info", found)
    assert (found["type"], found["name"], found["size"]) == ("item", "a.txt", 4)
    assert selenite("info", f"girder:{found['id']}").out.splitlines()[1] == "type         item"
    assert selenite("get", f"{folder}/mine", "there").out == "there\n"
    assert Path("there/sub/b.txt").read_text() == "more"
    assert selenite("get", f"girder:{found['id']}", "one").out == "one/a.txt\n"
    assert Path("one/a.txt").read_text() == "text"


def test_mistakes(selenite: Run, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = selenite("ls", f"{folder}/nothing")
    assert done.status == 3
    assert done.err.splitlines()[1] == "hint: paths begin with `collection/NAME` or `user/LOGIN`"
    assert selenite("ls", "girder:" + "0" * 24).status == 3
    assert selenite("get", folder).status == 2
    monkeypatch.delenv("GIRDER_API_URL")
    done = selenite("ls", folder)
    assert (done.status, done.err.splitlines()[0]) == (
        2,
        "error: nobody has said where Girder is",
    )
