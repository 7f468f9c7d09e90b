"""Forms of what is printed: JSON of every command as recorded, lines, names alone, colours."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from selenite import cli
from selenite._display import plain
from support import bucket
from support.command import SCHEMAS, Run, Services, check
from support.fake import Reply, serving
from support.service import COMMAND
from support.terminal import shown_on
from support.tree import make

BOTH = pytest.mark.parametrize("scheme", ["gobbler", "gypsum"])


# Data is all that these print, or nothing, or what a service logs.
WITHOUT_JSON = {
    "auth logout",
    "cat",
    "config set",
    "config unset",
    "serve gobbler",
    "serve gypsum",
}


def commands(group: click.Group, *before: str) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *before, name)
        else:
            yield " ".join([*before, name])


def test_the_json_of_every_command_is_recorded(selenite: Run) -> None:
    names = set(commands(cli.group))
    assert names >= WITHOUT_JSON
    assert names - WITHOUT_JSON == {
        name for name in SCHEMAS if not re.search("^girder|--|^error$", name)
    }
    done = selenite("cat", "gobbler:demo/rna/v1/notes.txt", "--json")
    check("error", json.loads(done.err))
    assert (done.status, done.out) == (2, "")
    assert selenite("config", "set", "transfer.jobs", 2, "--json").out == ""
    assert selenite("config", "unset", "transfer.jobs", "--json").out == ""


@BOTH
def test_json_of_commands_about_addresses(selenite: Run, scheme: str, tmp_path: Path) -> None:
    version = f"{scheme}:demo/rna/v2"
    mine = make(tmp_path / "mine", {"a": "x"})
    lines: list[list[Any]] = [
        *(["ls", f"{scheme}:{rest}"] for rest in ("", "demo", "demo/rna", "demo/rna/v1")),
        *(["info", f"{scheme}:{rest}"] for rest in ("", "demo", "demo/rna", "demo/rna/v1")),
        ["info", f"{version}/new.txt"],
        ["info", f"{version}/tables"],
        ["versions", f"{scheme}:demo/rna", "--all"],
        ["tree", version],
        ["get", version],
        ["get", f"{version}/new.txt"],
        ["get", version, "there"],
        ["verify", version],
        ["verify", "there", "--against", version],
        ["verify", mine, "--against", version, "--fail-on-extra"],
        ["diff", f"{scheme}:demo/rna/v1", version],
        ["diff", version, mine],
        ["manifest", version],
        ["cache", "ls"],
        ["cache", "info"],
        ["cache", "verify"],
        ["cache", "prune", "--max-size", "1", "-n"],
        ["cache", "rm", f"{scheme}:demo", "-y"],
    ]
    for words in lines:
        done = selenite(*words, "--json")
        assert done.err == "", words
        name = " ".join(map(str, words[: 2 if words[0] == "cache" else 1]))
        check(name, done.json)
        assert done.status in (0, 6)
        if "items" in done.json and words[0] != "cache":
            assert_lines_are_items(selenite(*words, "--format", "jsonl").out, done.json["items"])
    check("get --dry-run", selenite("get", version, "-n", "--json").json)
    address = f"{scheme}:written/forms/{tmp_path.name}"
    check("put --dry-run", selenite("put", mine, address, "-n", "--json").json)
    check("put", selenite("put", mine, address, "--json").json)
    check("error", json.loads(selenite("ls", f"{scheme}:nothing", "--json").err))


def assert_lines_are_items(lines: str, items: list[dict[str, Any]]) -> None:
    found = [json.loads(line) for line in lines.splitlines()]
    # What was fetched is cached by now.
    counted = ("cached", "verified")
    assert len(found) == len(items)
    for one, item in zip(found, items, strict=True):
        assert {**one, **dict.fromkeys(counted)} == {**item, **dict.fromkeys(counted)}


def test_json_of_other_commands(
    selenite: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for words in (
        ["cache", "dir"],
        ["config", "list"],
        ["config", "get", "jobs"],
        ["config", "path"],
        ["auth", "status"],
        ["doctor"],
        ["compat", "status"],
    ):
        done = selenite(*words, "--json")
        assert (done.status, done.err) == (0, ""), words
        check(" ".join(words[:2]), done.json)
    check("completion", selenite("completion", "zsh", "--json").json)
    check("completion --install", selenite("completion", "fish", "--install", "--json").json)


def test_searching(selenite: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").mkdir()
    with bucket.examples(tmp_path / "examples", monkeypatch):
        done = selenite("search", "brain AND NOT mouse", "--json")
        check("search", done.json)
        address = "gypsum://p/a/v/brain.h5"
        assert [one["address"] for one in done.json["items"]] == [address]
        for words in (["--project", "p"], ["--path", "br%"], ["--asset", "a", "--latest"]):
            assert selenite("search", *words, "-q").out == f"{address}\n"
        done = selenite("search", "--project", "q")
        assert (done.status, done.out, done.err) == (0, "", "nothing was found\n")
        done = selenite("search", "brain", "--user", "alice")
        assert done.status == 1
        assert "does not know users and times" in done.err
        assert selenite("search", "(brain").status == 2


def test_options_count_before_and_behind_the_command(selenite: Run) -> None:
    behind = selenite("ls", "gobbler:demo", "--json").out
    assert selenite("--json", "ls", "gobbler:demo").out == behind
    assert selenite("--json", "ls", "gobbler:demo", "--format", "quiet").out == "rna\n"
    before = dict(os.environ)
    assert selenite("-j", 3, "config", "get", "jobs").out == "3\n"
    assert selenite("config", "list", "--timeout", 5, "--offline", "-q").status == 0
    assert dict(os.environ) == before


def test_names_never_rule_the_terminal() -> None:
    assert plain("a b\u00e9") == "a b\u00e9"
    assert plain("a\x1b[2J\n\u202e\udcff") == "a\\x1b[2J\\n\\u202e\\udcff"


def on_a_terminal(*words: str, **environment: str) -> str:
    """What a terminal of 100 columns is sent."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [str(COMMAND), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    shown = shown_on(ours)
    process.wait(30)
    return shown


def test_colours_and_headers_are_for_terminals(selenite: Run) -> None:
    address = "gobbler:demo/rna/v2"
    plain = selenite("ls", "-l", address).out
    assert "SIZE" not in plain
    shown = on_a_terminal("ls", "-l", address)
    assert re.match(r" +SIZE  MD5 +PATH\n", shown)
    assert "\x1b[36mtables/counts.csv\x1b[0m -> " in shown
    for given in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        shown = on_a_terminal("ls", "-l", address, **given)
        assert "\x1b" not in shown
        assert plain in shown
    assert "\x1b[36m" in selenite("ls", "-l", address, "--color", "always").out
    assert "\x1b" not in on_a_terminal("ls", "-l", address, "--color", "never")


def test_every_command_has_help_that_ends_with_examples(selenite: Run) -> None:
    names = cli.group.list_commands(None)  # type: ignore[arg-type]
    assert names == sorted(names)
    for name in names:
        done = selenite(name, "-h")
        assert done.status == 0, name
        assert done.out.startswith(f"Usage: selenite {name}") or name == "serve"
        if "Options of every command" in done.out:
            assert "Examples:" in done.out, name
            assert f"selenite {name}" in done.out.partition("Examples:")[2], name
    assert selenite("-h").out == selenite("--help").out
    assert selenite("--version").out.startswith("selenite, version ")


def test_help_is_there_at_once(selenite: Run) -> None:
    """Recorded: `selenite -h > python/selenite/cli/help.txt` with click's own."""
    recorded = Path(cli.__file__).with_name("help.txt").read_text()
    assert selenite("-h").out == recorded
    code = "import sys; sys.argv = ['selenite', *{0}]; from selenite._command import main; main();"
    for words in (["-h"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", f"{code.format(words)} assert 'click' not in sys.modules"],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr, done.stdout) == (0, "", recorded)


def test_help_imports_no_command(selenite: Run) -> None:
    code = (
        "import sys; from selenite import cli; cli.run(['-h']);"
        "print([n for n in sys.modules if n.startswith('selenite.cli.') and n[13] != '_'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("[]\n")


def test_no_token_is_told_at_any_level(selenite: Run, services: Services, tmp_path: Path) -> None:
    mine = make(tmp_path / "mine", {"a": "x"})
    done = selenite("-vv", "put", mine, f"gypsum:written/told/{tmp_path.name}")
    assert "DEBUG selenite.http: POST" in done.err
    assert "token-of-alice" not in done.err + done.out
    for words in (["auth", "status", "-vv"], ["config", "list"], ["doctor"]):
        done = selenite(*words)
        assert "token-of-alice" not in done.err + done.out


def test_a_token_is_kept_for_later(
    selenite: Run, services: Services, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.delenv("GYPSUM_TOKEN")
    monkeypatch.setenv("GYPSUM_GITHUB_URL", services.gypsum.github_url)
    import gypsum_client.auth

    done = selenite("auth", "login", "--with-token", stdin="token-of-bob\n")
    assert done.status == 0, done.err
    assert "user     bob" in done.out
    again = selenite("auth", "login", "--with-token", "--json", stdin="token-of-bob\n")
    check("auth login", again.json)
    gypsum_client.auth.TOKEN_CACHE.clear()
    assert selenite("auth", "status", "-q").out == "bob\n"
    assert (home / "cache/gypsum/credentials/token.txt").stat().st_mode & 0o777 == 0o600
    assert selenite("auth", "logout").status == 0
    assert selenite("auth", "status").status == 4
    refused = selenite("auth", "login", "--with-token", stdin="not known\n")
    assert refused.status == 2


# The command for somebody who waits for longer than a second: the machine may be busy.
PATIENT = """
import sys
from selenite import _command
from selenite.cli import _complete
_complete._SECONDS = 60
sys.argv[0] = "selenite"
_command.main()
"""


def test_words_are_completed(selenite: Run) -> None:
    def completed(*words: str) -> list[str]:
        variables = {
            "_SELENITE_COMPLETE": "bash_complete",
            "COMP_WORDS": "selenite " + " ".join(words),
            "COMP_CWORD": str(len(words)),
        }
        command = [sys.executable, "-P", "-c", PATIENT]
        done = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    assert completed("ver") == ["verify", "versions"]
    assert completed("ls", "gy") == ["gypsum:"]
    assert completed("ls", "gobbler:demo/r") == ["gobbler:demo/rna/"]
    assert completed("ls", "gypsum:demo/rna/v") == ["gypsum:demo/rna/v1", "gypsum:demo/rna/v2"]
    assert completed("cat", "gypsum:demo/rna/v1/") == [
        "gypsum:demo/rna/v1/notes.txt",
        "gypsum:demo/rna/v1/tables/",
    ]
    assert completed("ls", "gobbler:nothing/at/all/") == []


def test_a_script_is_installed_where_the_shell_looks(
    selenite: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    done = selenite("completion", "fish", "--install")
    place = tmp_path / ".config/fish/completions/selenite.fish"
    assert done.out == f"{place}\n"
    assert place.read_text().strip() == selenite("completion", "fish").out.strip()


def test_a_server_that_lists_odd_names_cannot_rule_a_terminal(selenite: Run) -> None:
    def script(_: str, path: str) -> Reply:
        if path.endswith("/info"):
            return Reply(b'{"staging": "/s", "registry": "/r"}', kind="application/json")
        return Reply(json.dumps(["a\x1b[2Jb/", "\u202ec/"]).encode(), kind="application/json")

    with serving(script) as fake:
        assert selenite("ls", "gobbler:", "--url", fake.url).out == "a\x1b[2Jb\n\u202ec\n"
        shown = on_a_terminal("ls", "gobbler:", "--url", fake.url, "--color", "never")
    assert shown == "a\\x1b[2Jb\n\\u202ec\n"


def test_a_server_is_believed_only_if_that_is_wanted(selenite: Run, certificate: Path) -> None:
    def script(_: str, path: str) -> Reply:
        if path.endswith("/info"):
            return Reply(b"no", 404, "text/plain")
        return Reply(b'["p/"]', kind="application/json")

    with serving(script, certificate) as fake:
        assert selenite("ls", "gypsum:", "--url", fake.url).status == 7
        assert selenite("ls", "gypsum:", "--url", fake.url, "--insecure").out == "p\n"
        assert selenite("ls", "gypsum:", "--url", fake.url).status == 7, "for one command only"
