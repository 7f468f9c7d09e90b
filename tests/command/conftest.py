"""Both services with something in them, and the command run in this process."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenite import cli
from selenite.testing import GobblerServer, GypsumServer
from support.command import TOKENS, Done, Run, Services, fill
from support.girder import PYTHON

# Only where there is a server for it.
collect_ignore = [] if PYTHON else ["test_girder.py"]


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services that no test changes."""
    with (
        GobblerServer() as gobbler,
        GypsumServer(tokens=TOKENS, admins=["alice"]) as gypsum,
    ):
        fill(gobbler, gypsum, tmp_path_factory.mktemp("demo"))
        yield Services(
            gobbler,
            gypsum,
            {
                "GOBBLER_URL": gobbler.url,
                "GOBBLER_STAGING": gobbler.staging,
                "GYPSUM_REST_URL": gypsum.url,
                "GYPSUM_TOKEN": "token-of-alice",
            },
        )


@pytest.fixture
def home(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with an empty cache and no profiles, in an empty directory."""
    for name in list(os.environ):
        if name.startswith("GOBBLER_"):
            monkeypatch.delenv(name)
    for name, value in services.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("DATA", "CACHE", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("GYPSUM_CACHE_DIR", str(tmp_path / "cache" / "gypsum"))
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def selenite(home: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, as a pipe sees it."""

    def run(*arguments: object, stdin: str = "") -> Done:
        capfd.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            status = cli.run([str(argument) for argument in arguments])
        sys.stdout.flush()
        return Done(status, *capfd.readouterr())

    return run
