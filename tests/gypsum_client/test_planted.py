"""Caches that others can write to: what they put there counts for nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import gypsum_client as gypsum
import pygobbler as pyg
import pytest
from gypsum_client._locks import locked
from selenite import SeleniteWarning
from selenite.testing import GypsumServer
from support.service import Gobbler

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
STRANGER = 54321


@pytest.fixture(scope="module")
def server() -> Iterator[GypsumServer]:
    with GypsumServer(tokens={"secret": "alice"}, admins=["alice"]) as running:
        running.add_fixture()
        yield running


@pytest.mark.parametrize("place", ["bucket", "bucket/test-R", "bucket/test-R/basic/v1", "status"])
def test_a_planted_link_leads_a_save_nowhere(
    server: GypsumServer, tmp_path: Path, place: str
) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    link = cache / place
    link.parent.mkdir(parents=True)
    link.symlink_to(home)
    link.parent.chmod(0o777)
    with pytest.raises(ValueError, match="another user may have put there"):
        gypsum.save_version("test-R", "basic", "v1", url=server.url, cache_dir=cache)
    assert list(home.iterdir()) == []
    # The same link where nobody else can put one is what its owner wants.
    link.parent.chmod(0o755)
    gypsum.save_version("test-R", "basic", "v1", url=server.url, cache_dir=cache)


def test_a_planted_link_leads_a_fetch_nowhere(
    sample: Gobbler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    cache.mkdir()
    arguments = {**sample.remote, "cache": str(cache)}
    pyg.fetch_file("test/sample/v1/a.txt", **arguments)
    (folder,) = cache.iterdir()
    registry = folder / "REGISTRY"
    registry.rename(tmp_path / "old")
    registry.symlink_to(home)
    folder.chmod(0o777)
    with pytest.raises(ValueError, match="another user may have put there"):
        pyg.fetch_directory("test/sample/v1", **arguments)
    assert list(home.iterdir()) == []


def store(cache: Path) -> Path:
    token = cache / "credentials" / "token.txt"
    token.parent.mkdir(parents=True)
    token.write_text("planted\nmallory\ninf\n")
    token.chmod(0o600)
    return token


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gypsum_client.auth.TOKEN_CACHE", {})
    monkeypatch.delenv("GYPSUM_TOKEN", raising=False)


@pytest.mark.usefixtures("no_token")
def test_a_token_that_others_could_write_is_not_used(tmp_path: Path) -> None:
    token = store(tmp_path)
    token.chmod(0o620)
    with pytest.warns(SeleniteWarning, match="is not used"):
        assert gypsum.access_token(request=False, cache_dir=str(tmp_path)) is None
    token.chmod(0o600)
    assert gypsum.access_token(request=False, cache_dir=str(tmp_path)) == "planted"


@needs_root
@pytest.mark.usefixtures("no_token")
def test_a_token_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    os.chown(store(tmp_path), STRANGER, -1)
    with pytest.warns(SeleniteWarning, match="is not used"):
        assert gypsum.access_token(request=False, cache_dir=str(tmp_path)) is None


@needs_root
def test_a_lock_that_somebody_else_holds_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "file"
    lock = tmp_path / "file.LOCK"
    lock.touch()
    os.chown(lock, STRANGER, -1)
    with lock.open("rb") as planted:
        fcntl.flock(planted, fcntl.LOCK_EX)
        with pytest.warns(SeleniteWarning, match="not waited for"), locked(str(file)):
            pass
    with locked(str(file)):
        pass
