"""What keeps selenite from working is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import Run
from support.service import free_port


def states(selenite: Run, *words: str) -> dict[str, str]:
    """What is found, by name."""
    found = selenite("doctor", "--json", *words).json["checks"]
    return {one["name"]: f"{one['state']}: {one['text']}" for one in found}


def test_a_sound_machine(selenite: Run, home: Path) -> None:
    done = selenite("doctor")
    assert done.status == 0, done.out
    assert "fail" not in done.out.partition("\n\n")[0]
    report = done.out.partition("Copy this into a report:\n")[2]
    assert "- selenite " in report
    assert "answers" in states(selenite)["gobbler"]
    assert states(selenite, "--no-network")["network"] == "ok: not asked"


def test_what_is_wrong(selenite: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_CA_BUNDLE", "/no/such/bundle")
    token = home / "token"
    token.write_text("token-of-bob")
    token.chmod(0o644)
    monkeypatch.setenv("GYPSUM_TOKEN_FILE", str(token))
    with free_port() as port:
        monkeypatch.setenv("GOBBLER_URL", f"http://127.0.0.1:{port}")
        found = states(selenite)
    assert found["gobbler"].startswith("fail: cannot reach the Gobbler at")
    assert found["certificates"] == "fail: SELENITE_CA_BUNDLE=/no/such/bundle, which is not there"
    assert found["token"].startswith(f"fail: {token}: others can read it (mode 644)")
    assert selenite("doctor").status == 1
    found = states(selenite, "--fix", "--no-network")
    assert found["token"] == f"ok: {token}: others could read it; it has mode 600 now"
    assert token.stat().st_mode & 0o777 == 0o600


def test_a_setting_that_cannot_be(selenite: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_VERIFY", "sometimes")
    found = states(selenite, "--no-network")
    assert found["settings"].startswith("fail: invalid SELENITE_VERIFY `sometimes`")
