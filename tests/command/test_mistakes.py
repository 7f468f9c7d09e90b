"""Mistakes made on purpose: what is said of them, and how the command ends."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from support.command import Run, Services
from support.fake import Reply, serving
from support.service import COMMAND, free_port

BOTH = pytest.mark.parametrize("scheme", ["gobbler", "gypsum"])


@BOTH
def test_nobody_answers(selenite: Run, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        done = selenite("ls", f"{scheme}:", "--url", url)
    title, variable = {
        "gobbler": ("the Gobbler", "GOBBLER_URL"),
        "gypsum": ("gypsum", "GYPSUM_REST_URL"),
    }[scheme]
    first, hint = done.err.splitlines()
    assert done.status == 7
    assert first.startswith(f"error: cannot reach {title} at {url}: connection refused (2 tries in")
    assert hint == f"hint: is it running? `selenite doctor`; or set --url / {variable}"


@BOTH
@pytest.mark.parametrize(
    ("address", "what", "hint"),
    [
        (
            "demo/rna/v1/note.txt",
            "no file `note.txt` in {0}:demo/rna/v1",
            "did you mean `notes.txt`?",
        ),
        ("demo/rna/v9", "no version `v9` in {0}:demo/rna", "latest is `v1`"),
        ("demo/rma/v1", "no asset `rma` in {0}:demo", "did you mean `rna`?"),
        ("demi/rna/v1", "no project `demi` in {1} at {2}", "did you mean `demo`?"),
    ],
)
def test_what_is_not_there(
    selenite: Run, services: Services, scheme: str, address: str, what: str, hint: str
) -> None:
    title, url = {
        "gobbler": ("the Gobbler", services.gobbler.url),
        "gypsum": ("gypsum", services.gypsum.url),
    }[scheme]
    for words in (["get"], ["ls"], ["info"]):
        done = selenite(*words, f"{scheme}:{address}")
        assert done.status == 3
        assert done.err.splitlines()[0] == f"error: {what.format(scheme, title, url)}"
        close = done.err.splitlines()[1:]
        assert close in ([f"hint: {hint}"], ["hint: did you mean `v1`?"])
    told = json.loads(selenite("info", f"{scheme}:{address}", "--json").err)["error"]
    assert (told["kind"], told["status"]) == ("not_found", 404)


def test_no_token(selenite: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GYPSUM_TOKEN")
    for words in (["put", str(tmp_path), "gypsum:demo/rna/v3"], ["auth", "status"]):
        done = selenite(*words)
        assert done.status == 4
        assert done.err.splitlines() == [
            "error: no token for gypsum",
            "hint: `selenite auth login`, or set GYPSUM_TOKEN or GYPSUM_TOKEN_FILE",
        ]


def test_a_user_who_may_not(selenite: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GYPSUM_TOKEN", "token-of-bob")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("a")
    done = selenite("put", tmp_path / "mine", "gypsum:demo/rna/v3")
    assert done.status == 4
    first, hint = done.err.splitlines()
    assert "gypsum:demo/rna/v3" in first
    assert hint == "hint: owner of demo: alice"


@BOTH
def test_a_version_that_exists(selenite: Run, scheme: str, tmp_path: Path) -> None:
    done = selenite("put", tmp_path, f"{scheme}:demo/rna/v1")
    assert done.status == 5
    assert done.err.splitlines() == [
        f"error: version `v1` exists in {scheme}:demo/rna",
        "hint: versions never change; next free name: `v3`",
    ]


@BOTH
def test_a_project_that_is_to_be_made_first(selenite: Run, scheme: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("a")
    done = selenite("put", tmp_path / "mine", f"{scheme}:another/rna/v1")
    package = {"gobbler": "pygobbler", "gypsum": "gypsum_client"}[scheme]
    first, hint = done.err.splitlines()
    assert done.status == 3
    assert first.startswith("error: no project `another` in ")
    command = f"selenite project create {scheme}:another"
    assert hint == f"hint: an administrator makes it, by `{command}` or `{package}.create_project`"


def test_a_token_that_is_not_accepted(
    selenite: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GYPSUM_TOKEN", "token-of-nobody")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("a")
    done = selenite("put", tmp_path / "mine", "gypsum:demo/rna/v3")
    assert done.status == 4
    assert "`selenite auth login`" in done.err.splitlines()[1]


def test_no_more_tries_than_are_wanted(selenite: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    with free_port() as port:
        url = f"http://127.0.0.1:{port}"
        done = selenite("ls", "gobbler:", "--url", url, "--retries", "0")
    assert "(1 try in" in done.err


@BOTH
def test_files_and_folders_are_not_taken_for_each_other(selenite: Run, scheme: str) -> None:
    for words, end in (["cat"], []), (["get"], ["-"]):
        done = selenite(*words, f"{scheme}:demo/rna/v1/notes.txt/", *end)
        assert (done.status, done.out) == (3, "")
        assert done.err == "error: `notes.txt` is a file, and no folder\n"
        done = selenite(*words, f"{scheme}:demo/rna/v1/tables", *end)
        assert done.status == 3
        assert done.err.splitlines() == [
            "error: `tables` is a folder, and no file",
            f"hint: `selenite ls {scheme}:demo/rna/v1/tables` lists its files",
        ]


@BOTH
def test_destinations_that_cannot_be(selenite: Run, scheme: str) -> None:
    Path("file").write_text("mine")
    done = selenite("get", f"{scheme}:demo/rna/v1", "file/below")
    assert done.status == 3
    assert done.err == f"error: {Path('file').absolute()}: not a directory\n"
    Path("there").mkdir()
    Path("there/notes.txt").write_text("mine")
    done = selenite("get", f"{scheme}:demo/rna/v1", "there")
    assert done.status == 5
    assert done.err.splitlines() == [
        "error: `there/notes.txt` exists",
        "hint: `--overwrite` replaces it",
    ]
    assert Path("there/notes.txt").read_text() == "mine"
    done = selenite("put", "file", f"{scheme}:demo/rna/v3")
    assert done.status == 3
    assert done.err.splitlines()[1].startswith(f"hint: `selenite put - {scheme}:demo/rna/v3/NAME`")


@BOTH
def test_parts_of_versions_are_compared_by_their_paths(selenite: Run, scheme: str) -> None:
    v1, v2 = (f"{scheme}:demo/rna/{version}" for version in ("v1", "v2"))
    done = selenite("diff", f"{v1}/notes.txt", f"{v2}/notes.txt")
    assert done.out.splitlines()[-1] == "0 added, 1 changed, 0 removed, 0 equal"
    done = selenite("diff", f"{v1}/tables", f"{v2}/tables")
    assert done.out == "0 added, 0 changed, 0 removed, 1 equal\n"
    done = selenite("diff", f"{v1}/note.txt", f"{v2}/note.txt")
    assert (done.status, done.out) == (3, "")
    assert done.err.splitlines()[0] == f"error: no file `note.txt` in {scheme}:demo/rna/v1"


def test_names_of_a_girder_lead_nowhere_else(
    selenite: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from girder_client import GirderClient
    from selenite.cli import _girder

    places: list[str] = []
    client = GirderClient(apiUrl="http://127.0.0.1:9/api/v1")
    monkeypatch.setattr(client, "downloadFile", lambda _, place: places.append(place))
    monkeypatch.setattr(_girder, "_client", lambda _: client)
    for name in ("../../elsewhere", "/elsewhere", "..", "a.txt"):
        record = {"_modelType": "file", "_id": "0" * 24, "name": name}
        monkeypatch.setattr(_girder, "_found", lambda *_, record=record: record)
        assert selenite("get", "girder:" + "0" * 24, "there").status == 0
    assert [os.path.dirname(os.path.abspath(place)) for place in places] == [
        os.path.abspath("there")
    ] * 4


def test_times_that_are_none_are_left_out() -> None:
    from selenite.cli._output import timed

    odd: Any = 5
    assert [timed(text) for text in ("0001-01-01T00:00:00+14:00", "soon", odd)] == ["", "", ""]


def test_streams_that_are_closed_or_know_few_letters(selenite: Run, tmp_path: Path) -> None:
    def run(script: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'"$@" {script}', "sh", str(COMMAND), *map(str, words)]
        environment = {**os.environ, **variables}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    done = run(">&-", "ls", "gobbler:")
    assert (done.returncode, done.stderr) == (0, "")
    done = run("<&-", "put", "-", "gobbler:demo/rna/v3/a")
    assert (done.returncode, done.stderr.splitlines()) == (1, ["error: bad file descriptor"])
    done = run("2>&-", "lss")
    assert (done.returncode, done.stdout) == (2, "")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "\u00fc").write_text("a")
    done = run("", "manifest", tmp_path / "mine", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("  \\xfc\n")
    done = run("", "manifest", tmp_path / "mine", "--json", PYTHONIOENCODING="ascii")
    assert "\u00fc" in str(json.loads(done.stdout))
    done = run("", "ls", "gobbler:\u00fc", "--json", PYTHONIOENCODING="ascii")
    assert "\u00fc" in json.loads(done.stderr)["error"]["message"]
    done = run("", "ls", os.fsdecode(b"gobbler:\xff"))
    assert done.returncode == 2
    assert done.stderr == "error: invalid address 'gobbler:\\udcff': it is not valid UTF-8\n"


@BOTH
def test_a_full_disk(selenite: Run, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 9))
    done = selenite("get", f"{scheme}:demo/rna/v1", "there")
    assert done.status == 1
    first, hint = done.err.splitlines()
    assert first.startswith("error: no space in there: needs ")
    assert first.endswith(" kB, 9 B free")
    assert hint.startswith("hint: `selenite cache prune`")
    assert not Path("there").exists()
    done = selenite("get", f"{scheme}:demo/rna/v1")
    assert (done.status, done.err.split(":")[1].split(" in ")[0]) == (1, " no space")


def test_a_disk_that_is_full_in_the_end(selenite: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from selenite import _registry

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/file")

    monkeypatch.setattr(_registry.Version, "_fetched", fail)
    done = selenite("get", "gobbler:demo/rna/v1")
    assert done.status == 1
    assert done.err.splitlines()[0] == "error: /there/file: no space left on device"


def test_another_service(selenite: Run, services: Services) -> None:
    done = selenite("ls", "gobbler:demo/rna/v1", "--url", services.gypsum.url)
    assert done.status == 1
    assert done.err == f"error: {services.gypsum.url} answers as gypsum, not as a Gobbler\n"
    done = selenite("ls", "gypsum:demo/rna/v1", "--url", services.gobbler.url)
    assert done.err == f"error: {services.gobbler.url} answers as a Gobbler, not as gypsum\n"


@BOTH
def test_offline(selenite: Run, scheme: str) -> None:
    done = selenite("get", f"{scheme}:demo/rna/v1", "--offline")
    assert done.status == 8
    assert done.err.splitlines()[0].startswith(f"error: {scheme}:demo/rna/v1 is not in the cache")


@BOTH
def test_the_latest_version_offline(selenite: Run, scheme: str) -> None:
    latest = f"{scheme}:demo/rna/@latest"
    done = selenite("get", latest, "--offline")
    assert (done.status, done.err.splitlines()[1]) == (
        8,
        "hint: unset SELENITE_OFFLINE, or fetch it before",
    )
    place = selenite("get", f"{scheme}:demo/rna/v1").out
    done = selenite("get", latest, "--offline")
    assert (done.status, done.err.splitlines()[1]) == (
        8,
        "hint: name a version: the cache has `v1`",
    )
    assert selenite("get", latest).out == place
    done = selenite("get", latest, "--offline", "--json")
    assert (done.status, done.err) == (0, "")
    assert done.json["items"][0]["address"] == f"{scheme}://demo/rna/v1", "as it was last asked"
    assert selenite("cat", f"{latest}/notes.txt", "--offline").out == "ten bytes\n"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["lss"], "no such command `lss`", "did you mean `ls`?"),
        (["cache", "pruen"], "no such command `pruen`", "did you mean `prune`?"),
        (["serve", "gypsm"], "no such command `gypsm`", "did you mean `gypsum`?"),
        (["ls", "--recursiv"], "no such option `--recursiv`", "did you mean `--recursive`?"),
        (["--jbos"], "no such option `--jbos`", "did you mean `--jobs`?"),
        (
            ["ls"],
            "no address, and no default profile",
            "give an address, such as `gypsum:` or `gobbler:demo`",
        ),
        (
            ["ls", "there"],
            "`there` is no address of a registry",
            "addresses begin with `gobbler:` or `gypsum:`",
        ),
        (
            ["cat", "gobbler:demo/rna/v1"],
            "`gobbler:demo/rna/v1` names no file",
            "`selenite ls` lists files",
        ),
        (
            ["versions", "gobbler:demo"],
            "`gobbler:demo` names no asset, but an asset is needed",
            "`selenite ls gobbler:demo` lists assets",
        ),
        (
            ["ls", "gobbler:demo/..x"],
            "invalid asset `..x` in `gobbler:demo/..x`: names cannot begin with `..`",
            None,
        ),
        (
            ["cat", "gobbler:demo/rna/v1/notes.txt", "--range", "x"],
            "`x` is no range: expected A-B, A- or -N",
            "`selenite cat -h` shows what there is",
        ),
        (["ls", "gobbler:", "--profile", "lab"], None, None),
        (
            ["cache", "prune"],
            "say what: `--older-than`, `--max-size` or `--incomplete`",
            "`selenite cache prune -h` shows what there is",
        ),
    ],
)
def test_usage(selenite: Run, words: list[str], message: str | None, hint: str | None) -> None:
    done = selenite(*words)
    lines = done.err.splitlines()
    if message is None:
        assert (done.status, lines[0]) == (3, "error: no profile `lab`")
        return
    assert done.status == 2
    assert lines == [f"error: {message}", *([f"hint: {hint}"] if hint else [])]
    told = json.loads(selenite("--json", *words).err)["error"]
    assert told["kind"] == "usage"
    assert told["message"] == message or words[0] == "cat", "`cat` has no JSON"


@pytest.mark.parametrize("name", ["SELENITE_JOBS", "SELENITE_PROGRESS", "SELENITE_TIMEOUT"])
def test_a_bad_setting(selenite: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "many")
    done = selenite("ls", "gobbler:")
    assert done.status == 2
    assert done.err.startswith(f"error: invalid {name} `many`: expected ")


def test_damage_on_its_way(selenite: Run, services: Services, tmp_path: Path) -> None:
    manifest = {"a": {"size": 1, "md5sum": "0" * 32}}
    summary = {
        "upload_user_id": "x",
        "upload_start": "2026-01-01T00:00:00Z",
        "upload_finish": "2026-01-01T00:00:00Z",
    }

    def script(_: str, path: str) -> Reply:
        if path.endswith("/info"):
            return Reply(b'{"staging": "/s", "registry": "/r"}', kind="application/json")
        if "manifest" in path:
            return Reply(json.dumps(manifest).encode(), kind="application/json")
        if "summary" in path:
            return Reply(json.dumps(summary).encode(), kind="application/json")
        return Reply(b"x")

    with serving(script) as fake:
        done = selenite("get", "gobbler:p/a/v", "there", "--url", fake.url)
    assert done.status == 6, done.err
    assert "mismatch" in done.err
    assert not Path("there/a").exists()


def test_who_reads_no_further_ends_it_quietly(selenite: Run, services: Services) -> None:
    script = '"$@" ls gobbler:demo/rna/v1 --format jsonl; echo $? >&2'
    command = ["sh", "-c", f"({script}) | :", "sh", str(COMMAND)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.stderr in ("141\n", "0\n"), "0 if the reader had not gone yet"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        command = [str(COMMAND), "ls", "gobbler:demo/rna/v1"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        command = [str(COMMAND), "serve", "gobbler", "-help"]
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_ctrl_c_ends_it_with_130(selenite: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from selenite import _registry

    def interrupt(*_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(_registry.Registry, "names", interrupt)
    done = selenite("ls", "gobbler:")
    assert (done.status, done.out, done.err) == (130, "", "")


def test_a_fault_of_ours_is_told_in_full_only_if_asked(
    selenite: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selenite import _registry

    def fail(*_: object) -> Any:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(_registry.Registry, "names", fail)
    assert "Traceback" not in selenite("ls", "gobbler:").err
    assert "Traceback" in selenite("ls", "gobbler:", "-vv").err
    assert sys.version_info >= (3, 11)
