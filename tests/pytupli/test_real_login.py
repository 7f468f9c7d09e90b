"""Logins that are over, renewed by the real service."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytupli.storage import TupliAPIClient, TupliStorageError
from support.tupli import ADMIN, FileKeyring, Keyring, Tupli, running, token

REFRESH = "/access/users/refresh-token"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tupli]:
    """A service whose tokens last for two seconds."""
    options = ("--access-minutes", "0.0334", "--closed-access", "--closed-signup")
    with running(tmp_path_factory.mktemp("tupli") / "hasty", *options) as found:
        yield found


def test_a_login_outlives_its_token(hasty: Tupli) -> None:
    client = TupliAPIClient()
    client.login(*ADMIN, url=hasty.url)
    before = hasty.count(REFRESH)
    end = time.monotonic() + 3.2
    while time.monotonic() < end:
        assert client.list_roles()
        time.sleep(0.1)
    # Tokens are whole seconds long, and used for half their lives at least.
    assert 1 <= hasty.count(REFRESH) - before <= 10


def test_users_are_made_by_those_who_may(hasty: Tupli, keys: Keyring) -> None:
    client = TupliAPIClient()
    client.login(*ADMIN, url=hasty.url)
    assert client.signup("new", "word").username == "new"
    client.login("new", "word")
    with pytest.raises(TupliStorageError, match=r"^Signup failed: 40[13] Client Error"):
        client.signup("newer", "word")
    keys.entries = {"pytupli/base_url": hasty.url}
    with pytest.raises(TupliStorageError, match=r"^Signup failed: 401 Client Error"):
        client.signup("newer", "word")


@pytest.mark.parametrize("old", [token(seconds=-60), token(secret="wrong"), "nonsense", "a.b.c"])
def test_threads_renew_a_login_once(
    old: str, service: Tupli, client: TupliAPIClient, keys: Keyring
) -> None:
    keys.entries["pytupli/access_token"] = old
    before = service.count(REFRESH)
    found: list[object] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.extend(TupliAPIClient().list_roles())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 * len(client.list_roles())
    assert service.count(REFRESH) - before == 1


def test_processes_renew_a_login_once(
    service: Tupli, client: TupliAPIClient, keys: Keyring, tmp_path: Path
) -> None:
    """Eight threads each."""
    shared = FileKeyring()
    shared.path = tmp_path / "keyring.json"
    shared._write({**keys.entries, "pytupli/access_token": token(seconds=-60)})
    before = service.count(REFRESH)
    environment = {
        **os.environ,
        "PYTHON_KEYRING_BACKEND": "support.tupli.FileKeyring",
        "TUPLI_TEST_KEYRING": str(shared.path),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    code = (
        "import sys, threading\nfrom pytupli.storage import TupliAPIClient\n"
        "import pytupli._calls, keyring\nclient = TupliAPIClient()\nfound = []\n"
        "ask = lambda: found.append(len(client.list_roles()))\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "for one in threads: one.start()\nfor one in threads: one.join()\nprint(*found)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in processes] == [" ".join("8" * 8) + "\n"] * 4
    assert service.count(REFRESH) - before == 1


def test_a_login_that_is_dead(service: Tupli, client: TupliAPIClient, keys: Keyring) -> None:
    keys.entries["pytupli/access_token"] = token(seconds=-60)
    keys.entries["pytupli/refresh_token"] = token(seconds=-60)
    del keys.entries["pytupli/token_origin"]
    with pytest.raises(TupliStorageError) as raised:
        client.list_users()
    url = f"{service.url}{REFRESH}"
    assert str(raised.value) == (
        f"Token refresh failed: 401 Client Error: Unauthorized for url: {url} "
        "(Could not validate credentials). Please login again."
    )
    assert keys.entries == {"pytupli/base_url": service.url}
    client.login(*ADMIN)
    assert client.list_users()


def test_without_a_refresh_token(client: TupliAPIClient, keys: Keyring) -> None:
    keys.entries["pytupli/access_token"] = token(secret="wrong")
    del keys.entries["pytupli/refresh_token"]
    with pytest.raises(TupliStorageError) as raised:
        client.list_users()
    assert str(raised.value) == "No refresh token available. Please login first."


def test_without_an_access_token(client: TupliAPIClient, keys: Keyring) -> None:
    del keys.entries["pytupli/access_token"]
    assert client.list_users()
    assert "pytupli/access_token" in keys.entries


def test_tokens_of_the_environment(service: Tupli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_TUPLI_URL", f"{service.url}/")
    monkeypatch.setenv("SELENITE_TUPLI_TOKEN", token())
    assert TupliAPIClient().list_users()


def test_an_upload_outlives_its_token(hasty: Tupli) -> None:
    """Sent slowly enough, a body is refused at its end, and goes through with a new token."""
    client = TupliAPIClient()
    client.login(*ADMIN, url=hasty.url)
    time.sleep(1.2)

    class Slow:
        """Content that takes a second, once."""

        def __init__(self) -> None:
            self.at = self.count = 0

        def seekable(self) -> bool:
            return True

        def tell(self) -> int:
            return self.at

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset if whence == 0 else 3 << 20
            return self.at

        def read(self, size: int) -> bytes:
            self.count += size > 0
            if size and self.count <= 3:
                time.sleep(0.9)
            self.at += size
            return b"x" * size

    content = Slow()
    item = client.store_artifact(content, {"name": "slow"})  # type: ignore[arg-type]
    assert client.load_artifact(item.id) == b"x" * (3 << 20)
    assert hasty.count("/artifacts/upload") == 2
