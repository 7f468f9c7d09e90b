"""Web servers of others, where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.service import Service, exchange, wait_until

# Debian keeps them where ordinary users do not look.
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

NGINX = shutil.which("nginx", path=_PLACES)
APACHE = shutil.which("apache2", path=_PLACES)


@dataclass(frozen=True)
class Site:
    """A proxy with both services behind it."""

    plain: str
    secure: str
    certificate: Path
    gobbler: Service

    def url(self, is_secure: bool, place: str) -> str:
        return f"{self.secure if is_secure else self.plain}/{place}"


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    """Run a web server that answers at this port."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return exchange(f"http://127.0.0.1:{port}", "GET", "/", timeout=5).status > 0
        except OSError:
            return False

    try:
        wait_until(answers, f"{command[0]} answers")
        yield
    finally:
        process.terminate()
        process.wait(10)
