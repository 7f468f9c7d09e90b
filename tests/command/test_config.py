"""Settings, where they come from, and profiles."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import Run, Services


@pytest.fixture
def file(home: Path) -> Path:
    """Where profiles are."""
    path = home / "config" / "selenite" / "selenite.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def bare(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No service is named by the environment."""
    for name in ("GOBBLER_URL", "GOBBLER_STAGING", "GYPSUM_REST_URL"):
        monkeypatch.delenv(name)


def sources(selenite: Run, *words: str) -> dict[str, tuple[str | None, str]]:
    """Values and sources of all settings."""
    found = selenite("config", "list", "--json", *words).json["items"]
    return {one["key"]: (one["value"], one["source"]) for one in found}


def test_the_nearest_setting_counts(
    selenite: Run, file: Path, bare: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(
        'default = "lab"\n[profile.lab]\nservice = "gobbler"\nurl = "http://lab"\n'
        'registry = "~/registry"\n[profile.public]\nservice = "gypsum"\nurl = "http://public"\n'
        "[transfer]\njobs = 5\n"
    )
    monkeypatch.setenv("HOME", "/home/alice")
    found = sources(selenite)
    assert found["gobbler.url"] == ("http://lab", "profile lab")
    assert found["gobbler.registry"] == ("/home/alice/registry", "profile lab")
    assert found["gypsum.url"] == ("http://public", "profile public"), "the only one of gypsum"
    assert found["jobs"] == ("5", "selenite.toml")
    assert found["timeout"] == ("60", "default")
    monkeypatch.setenv("GOBBLER_URL", "http://variable")
    monkeypatch.setenv("SELENITE_JOBS", "6")
    found = sources(selenite)
    assert found["gobbler.url"] == ("http://variable", "GOBBLER_URL")
    assert found["jobs"] == ("6", "SELENITE_JOBS")
    found = sources(selenite, "--url", "http://option", "-j", "7")
    assert found["gobbler.url"] == ("http://option", "--url")
    assert found["jobs"] == ("7", "--jobs")


def test_a_profile_says_where_a_service_is(
    selenite: Run, file: Path, bare: None, services: Services
) -> None:
    assert selenite("ls", "gobbler:").status == 2
    for words in (
        ["service", "gobbler", "--profile", "lab"],
        ["url", services.gobbler.url, "--profile", "lab"],
        ["service", "gypsum", "--profile", "public"],
        ["url", services.gypsum.url, "--profile", "public"],
        ["default", "lab"],
    ):
        assert selenite("config", "set", *words).status == 0
    for words in ([], ["gypsum:"]):
        assert {"demo", "written"} <= set(selenite("ls", *words).out.split())
    assert selenite("ls", "gypsum:demo", "--profile", "public").out == "rna\n"
    done = selenite("ls", "gypsum:demo", "--profile", "lab")
    assert (done.status, done.err) == (2, "error: profile `lab` is of gobbler, not gypsum\n")
    done = selenite("ls", "gypsum:demo", "--profile", "publik")
    assert done.err == "error: no profile `publik`\nhint: did you mean `public`?\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_rest_of_the_file_stays(selenite: Run, file: Path) -> None:
    text = (
        '# mine\n[profile.lab]\nservice = "gobbler" # theirs\nurl = "http://a"\n'
        "\n[transfer]\njobs = 2\n"
    )
    file.write_text(text)
    file.parent.chmod(0o700)
    assert selenite("config", "set", "url", "http://b", "--profile", "lab").status == 0
    assert file.read_text() == text.replace("http://a", "http://b")
    assert selenite("config", "set", "cache", "/scratch/c", "--profile", "lab").status == 0
    assert 'url = "http://b"\ncache = "/scratch/c"\n\n[transfer]' in file.read_text()
    assert selenite("config", "unset", "cache", "--profile", "lab").status == 0
    assert selenite("config", "set", "url", "http://a", "--profile", "lab").status == 0
    assert file.read_text() == text
    assert selenite("config", "set", "transfer.jobs", "0").status == 2
    assert selenite("config", "set", "default", "nobody").status == 2
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("defualt = 1\n", "line 1: `defualt`: there is no such key\nhint: did you mean `default`?"),
        (
            "[profile.a]\nservice = 'gobbler'\nurll = 'x'\n",
            "line 3: `urll`: there is no such key\nhint: did you mean `url`?",
        ),
        ("[profile.a]\nurl = 'x'\n", "line 1: `service`: expected `gobbler` or `gypsum`"),
        (
            "[profile.a]\nservice = 'gypsum'\n\ntoken = 'secret'\n",
            "line 4: `token`: others can read it; name one by `token-file`, with mode 600",
        ),
        ("[transfer]\njobs = 'many'\n", "line 2: `jobs`: expected a whole number above 0"),
        ("default = 'a'\n", "line 1: `default`: there is no profile `a`"),
        ("[profile.a]\nservice = 'gypsum'\nurl = 1\n", "line 3: `url`: expected a text"),
    ],
)
def test_what_means_nothing_is_told_with_its_line(
    selenite: Run, file: Path, text: str, why: str
) -> None:
    file.write_text(text)
    file.chmod(0o644)
    for words in (["config", "list"], ["ls", "gobbler:"]):
        done = selenite(*words)
        assert (done.status, done.err) == (2, f"error: {file}, {why}\n")
        assert "secret" not in done.err


def test_no_toml_at_all(selenite: Run, file: Path) -> None:
    file.write_text("[profile\n")
    done = selenite("ls", "gobbler:")
    assert done.status == 2
    assert "line 1" in done.err
    file.write_bytes(b"\xff")
    assert selenite("ls", "gobbler:").err == f"error: {file}: it is not UTF-8\n"


def test_drop_ins_never_read_profiles(
    file: Path, bare: None, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gypsum_client

    file.write_text("[profile.public]\nservice = 'gypsum'\nurl = 'http://127.0.0.1:9'\n")
    assert gypsum_client.rest_url() != "http://127.0.0.1:9"
