"""pytupli against the real service, against a scripted one where that cannot fail, and in files.

What needs the real service is in files named `test_real_*.py`, and left out where there is none:
see `scripts/tupli`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from pytupli.storage import TupliAPIClient
from support.tupli import ADMIN, PYTHON, Keyring, Tupli, running

collect_ignore_glob = [] if PYTHON else ["test_real_*.py"]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Keyring]:
    """A keyring of the test's own, and no cache of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before, mine = keyring.get_keyring(), Keyring()
    keyring.set_keyring(mine)
    yield mine
    keyring.set_keyring(before)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tupli]:
    """A service as it is run by default."""
    with running(tmp_path_factory.mktemp("tupli") / "open") as found:
        yield found


@pytest.fixture
def client(service: Tupli) -> TupliAPIClient:
    """A client of the administrator's."""
    found = TupliAPIClient()
    found.login(*ADMIN, url=service.url)
    return found


@pytest.fixture
def become(service: Tupli) -> Callable[[str], TupliAPIClient]:
    """A function that makes users, if need be, and logs them in."""

    def log_in(name: str) -> TupliAPIClient:
        found = TupliAPIClient()
        found.login(*ADMIN, url=service.url)
        if name != ADMIN[0]:
            if name not in {user.username for user in found.list_users()}:
                found.signup(name, f"password of {name}")
            found.login(name, f"password of {name}")
        return found

    return log_in
