"""Real services of PyTupli, and keyrings for their clients."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keyring.backend
import keyring.errors

# The Python of the virtual environment that `scripts/tupli` makes.
PYTHON = os.environ.get("SELENITE_TUPLI", "")
ADMIN = ("admin", "password-of-the-admin")
SECRET = "a-secret-of-these-tests-0123456789"


@dataclass(frozen=True)
class Tupli:
    """A running service.

    Attributes:
        url: Its address.
        log: The file with a line for each request.
    """

    url: str
    log: Path

    def count(self, path: str) -> int:
        """How often something was asked for."""
        return sum(f" {path}" in line for line in self.log.read_text().splitlines())


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Tupli]:
    """Start a service that logs in a folder."""
    folder.mkdir(parents=True)
    script = str(Path(__file__).with_name("tupli_server.py"))
    command = [PYTHON, "-P", script, "--secret", SECRET, "--password", ADMIN[1], *options]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=out, text=True, cwd=folder
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield Tupli(json.loads(line)["url"], log)
    finally:
        process.kill()  # it keeps nothing
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def token(user: str = "admin", seconds: float = 1800, secret: str = SECRET) -> str:
    """A token as the service makes them; negative seconds make one that is over."""

    def text(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    head = text(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = text(json.dumps({"issuer": user, "exp": int(time.time() + seconds)}).encode())
    signed = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{text(signed)}"


class Keyring(keyring.backend.KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[str, str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[f"{service}/{username}"] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop(f"{service}/{username}", None) is None:
            raise keyring.errors.PasswordDeleteError("there is none")


class FileKeyring(Keyring):
    """A keyring that processes share, in the file that the environment names."""

    path = Path(os.environ.get("TUPLI_TEST_KEYRING", "keyring.json"))

    @property
    def entries(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        return found

    @entries.setter
    def entries(self, value: dict[str, str]) -> None:
        """Begin with what there is."""

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write({**self.entries, f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        entries = self.entries
        if entries.pop(f"{service}/{username}", None) is None:
            raise keyring.errors.PasswordDeleteError("there is none")
        self._write(entries)

    def _write(self, entries: dict[str, str]) -> None:
        part = self.path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(entries))
        part.replace(self.path)


def stored(**entries: Any) -> dict[str, str]:
    """Entries of a keyring, as it names them."""
    return {f"pytupli/{name}": value for name, value in entries.items()}
