"""The command `girder-client`, run in this process as other programs run it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any
from unittest import mock

import girder_client
import httmock
import pytest
import requests
from girder_client import cli
from support.fake import Reply, as_json, serving
from support.girder_store import Store


@pytest.fixture(autouse=True)
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_PROGRESS", "on")
    monkeypatch.setattr("selenite._rest._FIRST_PAUSE_SECONDS", 0.001)


def run(*words: Any, capsys: Any = None) -> tuple[int, str, str]:
    """Run `main` as the original's tests do: by what `sys` holds."""
    with mock.patch.object(sys, "argv", ["girder-client", *map(str, words)]):
        try:
            cli.main()
            status = 0
        except SystemExit as done:
            status = int(done.code or 0)
    told = capsys.readouterr()
    return status, told.out, told.err


def command(*words: Any) -> subprocess.CompletedProcess[str]:
    """Run the program, as the scripts of this package and of the original do."""
    line = [sys.executable, "-c", "from girder_client.cli import main; main()", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True)


USER: dict[str, Any] = {"_id": "u" * 24, "login": "me", "_modelType": "user"}
TOP: dict[str, Any] = {
    "_id": "a" * 24,
    "name": "top",
    "_modelType": "folder",
    "parentCollection": "user",
}
TOP["parentId"] = USER["_id"]
INNER = {**TOP, "_id": "b" * 24, "name": "inner", "parentCollection": "folder"}
ITEM: dict[str, Any] = {
    "_id": "c" * 24,
    "name": "n",
    "_modelType": "item",
    "folderId": TOP["_id"],
    "size": 1,
}
FILE: dict[str, Any] = {
    "_id": "d" * 24,
    "name": "n",
    "_modelType": "file",
    "itemId": ITEM["_id"],
    "size": 1,
}
KNOWN = {one["_id"]: one for one in (USER, TOP, INNER, ITEM, {**FILE, "created": "2030"})}


def site(method: str, path: str) -> Reply:
    """One user with a folder, in which there are a folder and an item."""
    place, _, query = path.partition("?")
    parts = place.strip("/").split("/")
    is_first = "offset=0" in query or "limit" not in query
    if parts[0] == "resource":
        if parts[1] == "lookup":
            return as_json(TOP) if "top" in query else as_json({"message": "not found"}, 400)
        found = KNOWN.get(parts[1], {})
        is_it = f"type={found.get('_modelType')}" in query
        return as_json("/path") if is_it else as_json({"message": "no"}, 400)
    if place == "/folder" and "parentId=0123" not in query:
        inner = [INNER] if TOP["_id"] in query else [TOP] if USER["_id"] in query else []
        return as_json(inner if is_first else [])
    if place == "/item":
        return as_json([ITEM] if TOP["_id"] in query and is_first else [])
    if parts[-1] == "files":
        return as_json([KNOWN[FILE["_id"]]] if is_first else [])
    if parts[-1] == "download":
        return Reply(b"x", headers={"Content-Disposition": 'attachment; filename="n"'})
    if len(parts) == 2 and parts[1] in KNOWN:
        return as_json(KNOWN[parts[1]])
    return as_json({"message": "Invalid id", "type": "rest"}, 400)


def test_help_and_version(capsys: Any) -> None:
    status, out, _ = run("--help", capsys=capsys)
    assert status == 0
    for section in ("\nOptions:\n", "\nAdvanced Options:\n", "\nCommands:\n"):
        assert section in out
    advanced = out.partition("Advanced Options")[2].partition("Commands:")[0]
    names = ["host", "scheme", "port", "api-root", "no-ssl-verify", "ca-certificate", "token"]
    for name in [*names, "retries"]:
        assert f"--{name}" in advanced
    assert "--api-url" not in advanced
    out = run("--version", capsys=capsys)[1]
    assert out == "Girder command line interface, version 5.0.21\n"
    assert "--parent-type" not in run("localsync", "--help", capsys=capsys)[1]
    assert "--skip" in run("download", "--help", capsys=capsys)[1]
    status, out, err = run(capsys=capsys)
    assert status != 0
    assert "Commands:" in out + err


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        ("api-url", "host", "h"),
        ("api-url", "scheme", "h"),
        ("api-url", "port", "1"),
        ("api-url", "api-root", "h"),
        ("no-ssl-verify", "ca-certificate", "h"),
    ],
)
def test_some_options_exclude_each_other(one: str, other: str, value: str, capsys: Any) -> None:
    first = ["--api-url", "u"] if one == "api-url" else ["--no-ssl-verify"]
    status, _, err = run(*first, f"--{other}", value, "list", "x", capsys=capsys)
    assert status == 2
    assert f'Option "--{one}" and option "--{other}" are mutually exclusive.' in err


def test_resources_are_listed(capsys: Any) -> None:
    with serving(site) as server:
        there = ("--api-url", server.url, "list")
        status, out, _ = run(*there, TOP["_id"], capsys=capsys)
        assert status == 0
        assert out.splitlines() == [
            f"Parent user: {USER['_id']} - me",
            f"Listing folder: {TOP['_id']} - top",
            "=== folder ===",
            f"{'ID':<24} {'TYPE':<6} {'NAME':<24}",
            f"{INNER['_id']} folder inner",
            "=== item ===",
            f"{'ID':<24} {'TYPE':<6} {'NAME':<24}",
            f"{ITEM['_id']} item   n",
        ]
        assert len(server.asked) == len(set(server.asked)), "nothing is asked for twice"
        assert run(*there, "/user/me/top", capsys=capsys)[1] == out
        out = run(*there, FILE["_id"], capsys=capsys)[1]
        assert out.splitlines() == [
            f"Parent folder: {TOP['_id']} - top",
            f"Parent item: {ITEM['_id']} - n",
            f"Listing file: {FILE['_id']} - n",
        ]
        told = json.loads(run(*there, "--json", TOP["_id"], capsys=capsys)[1])
        assert list(told) == ["parent_record", "this_record", "folder_children", "item_children"]
        told = json.loads(run(*there, "--json", FILE["_id"], capsys=capsys)[1])
        assert list(told) == ["item_record", "folder_record", "this_record"]
        told = json.loads(run(*there, "--json", USER["_id"], capsys=capsys)[1])
        assert list(told) == ["this_record", "folder_children"]
        status, _, err = run(*there, "0123", capsys=capsys)
        assert status == 1
        tried = ["resource path lookup: no match"]
        tried += [f"{kind}: 400 Bad Request" for kind in ("folder", "collection", "item", "file")]
        tried.append(
            "user: GET user failed with 400 Bad Request; folder probe failed with 400 Bad Request"
        )
        start = "Error: Could not determine Girder resource type for 0123. Tried: "
        assert err == f"{start}{'; '.join(tried)}\n"


@pytest.mark.parametrize("parent", [TOP["_id"], "/user/me/top"])
def test_folders_are_downloaded_and_synchronized(
    parent: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving(site) as server:
        there = ("--api-url", server.url)
        assert run(*there, "download", parent, "out", capsys=capsys)[0] == 0
        assert (tmp_path / "out" / "n").read_bytes() == b"x"
        assert (tmp_path / "out" / "inner").is_dir()
        assert run(*there, "download", ITEM["_id"], "item", capsys=capsys)[0] == 0
        assert (tmp_path / "item" / "n").read_bytes() == b"x"
        assert run(*there, "download", FILE["_id"], "file", capsys=capsys)[0] == 0
        assert (tmp_path / "file").read_bytes() == b"x"
        out = run(*there, "download", "--skip", "size", parent, "out", capsys=capsys)[1]
        assert "Skipping file out/n [size]\n" in out
        assert run(*there, "localsync", parent, capsys=capsys)[0] == 0
        before = (tmp_path / "n").stat().st_mtime_ns
        assert run(*there, "localsync", parent, capsys=capsys)[0] == 0
        assert (tmp_path / "n").stat().st_mtime_ns == before
        status, _, err = run(*there, "download", "0123", capsys=capsys)
        assert status == 1
        assert err.startswith("Error: Could not determine Girder resource type for 0123")


def test_what_does_not_match_is_a_failure(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x[1]").mkdir()
    with serving(site) as server:
        there = ("--api-url", server.url, "upload", "--dry-run")
        status, out, _ = run(*there, TOP["_id"], tmp_path / "x[1]", capsys=capsys)
        assert (status, out) == (0, f"Creating Folder from {tmp_path / 'x[1]'}\n")
        assert run(*there, TOP["_id"], tmp_path / "none", capsys=capsys)[0] == 2
        with mock.patch("girder_client._upload_tree._matches", return_value=iter(())):
            status, out, _ = run(*there, TOP["_id"], tmp_path, capsys=capsys)
        assert status == 1
        assert out.startswith("No matching files: ")


def test_failures_leave_main_and_are_told_in_a_line_by_the_program(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = as_json({"message": "Invalid API key.", "type": "rest"}, 400)
    with serving(lambda _, __: answer) as server:
        with pytest.raises(requests.HTTPError):
            run("--api-url", server.url, "--api-key", "1234", "list", "x", capsys=capsys)
        done = command("--api-url", server.url, "--api-key", "1234", "list", "x")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: HTTP error 400: POST ")
        assert done.stderr.count("\n") == 1
        assert "1234" not in done.stderr
    with serving(lambda _, __: as_json({"message": "Login failed."}, 401)) as server:
        done = command("--api-url", server.url, "--username", "a", "--password", "b", "list", "x")
        assert (done.returncode, done.stderr) == (
            1,
            "Error: the server refuses the login: Login failed.\n",
        )
    line = [sys.executable, "-c", "from girder_client import cli; cli.main(1)"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("TypeError: "), "what nobody expects is shown"
    line = [sys.executable, "-m", "girder_client.cli", "--version"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.stderr == 'Deprecation notice: Use "girder-client" to run the CLI.\n'


def test_a_client_of_the_command_sends_through_sessions() -> None:
    with serving(lambda _, __: as_json({"authToken": {"token": "t"}, "user": {}})) as server:
        gc = cli.GirderCli("me", "word", apiUrl=server.url, retries=5, sslVerify="ca.pem")
        assert (gc.token, gc.retries, gc.sslVerify) == ("t", 5, "ca.pem")
        seen: list[Any] = []

        def look(self: Any, path: str) -> None:
            adapter = self._session.adapters[self.urlBase]
            seen.append((path, adapter.max_retries.total, self._session.verify))

        with mock.patch("girder_client.cli.GirderClient.sendRestRequest", look):
            gc.sendRestRequest("")
        assert seen == [("", 5, "ca.pem")]
        assert gc._session is None
        with gc.session() as session:
            gc.get("x")
            assert gc._session is session


def test_without_a_terminal_a_line_names_each_file(tmp_path: Path, capsys: Any) -> None:
    with serving(site) as server:
        gc = cli.GirderCli(None, None, apiUrl=server.url)
        gc.downloadFile(FILE["_id"], tmp_path / "n")
        assert capsys.readouterr().out == "n\n"
        gc = cli.GirderCli(None, None, apiUrl=server.url, progress=False)
        gc.downloadFile(FILE["_id"], tmp_path / "n")
        assert capsys.readouterr().out == ""


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli._Bar, "reportProgress", True)
    with cli._Bar("file", 12288) as bar:
        bar.update(6144)
        assert bar._position() == "6.00k/12.00k"


def test_the_password_is_asked_for() -> None:
    answer = as_json({"authToken": {"token": "t"}, "user": {}})
    with serving(lambda _, __: answer) as server, mock.patch("getpass.getpass") as asked:
        asked.return_value = "word"
        cli.GirderCli("me", None, apiUrl=server.url)
    asked.assert_called_once_with("Password for me: ")
    assert issubclass(cli.GirderCli, girder_client.GirderClient)


def test_an_upload_that_is_watched_is_one_request_a_file(tmp_path: Path, capsys: Any) -> None:
    """The original's own suite counts them so, and looks for the reference in the URL."""
    (tmp_path / "t" / "s").mkdir(parents=True)
    for name in ("a", "b", "s/c"):
        (tmp_path / "t" / name).write_text("content")
    seen: list[Any] = []

    @httmock.urlmatch(path=r".*/file$", method="POST")  # type: ignore[untyped-decorator]
    def watch(url: Any, request: Any) -> None:
        seen.append(urllib.parse.parse_qs(url.query))

    bodies: list[bytes] = []
    with serving(Store(bodies), bodies=bodies) as server, httmock.HTTMock(watch):
        there = ("--api-url", server.url, "upload", "--parent-type", "folder")
        status, _, _ = run(*there, "--reference", "ref", "p", tmp_path / "t", capsys=capsys)
    assert status == 0
    assert [one["name"] for one in seen] == [["a"], ["b"], ["c"]]
    assert [one["reference"] for one in seen] == [["ref"]] * 3
    assert sum(line.startswith("POST /file") for line in server.asked) == 3
