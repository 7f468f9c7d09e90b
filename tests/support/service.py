"""Services under test, each its own process on loopback, and plain HTTP to talk to them."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

USER = pwd.getpwuid(os.geteuid()).pw_name
COMMAND = Path(sys.executable).with_name("selenite")

_numbers = itertools.count(1)


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given before the end."""
    with socket.socket() as holder:
        # Who sets this option, as servers do, may listen there all the same.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@dataclass(frozen=True)
class Answer:
    """One answer of a service."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return str(self.json()["reason"])


def exchange(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    timeout: float = 90,
) -> Answer:
    """Exchange one request and answer, with the path sent exactly as given."""
    parsed = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parsed.hostname or "", parsed.port, timeout=timeout)
    try:
        connection.putrequest(method, parsed.path + path, skip_accept_encoding=True)
        fields = dict(headers or {})
        if method in ("POST", "PUT"):
            fields.setdefault("Content-Length", "0")
        for key, value in fields.items():
            connection.putheader(key, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        names = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, names, body)
    finally:
        connection.close()


def wait_until(fact: Callable[[], object], what: str, timeout: float = 60) -> None:
    """Wait for a fact to become true, or fail when the time is over."""
    deadline = time.monotonic() + timeout
    while not fact():
        if time.monotonic() > deadline:
            raise AssertionError(f"in {timeout} s it did not come true that {what}")
        time.sleep(0.001)


@dataclass(frozen=True)
class Gobbler:
    """Where a running service can be reached; all that a client has to know."""

    staging: str
    registry: str
    url: str

    @property
    def writer(self) -> dict[str, Any]:
        """The arguments of the functions that send requests."""
        return {"staging": self.staging, "url": self.url}

    @property
    def remote(self) -> dict[str, Any]:
        """The arguments of the functions that read, over HTTP."""
        return {"registry": self.registry, "url": self.url, "force_remote": True}

    @property
    def local(self) -> dict[str, Any]:
        """The arguments of the functions that read, from the registry's files."""
        return {"registry": self.registry, "url": self.url}

    def path(self, *parts: str) -> Path:
        """A path in the registry."""
        return Path(self.registry, *parts)

    def read(self, *parts: str) -> Any:
        """The content of one of the registry's JSON files."""
        return json.loads(self.path(*parts).read_text())

    def request(
        self,
        action: str,
        payload: object,
        *,
        uid: int | None = None,
        timeout: float = 90,
    ) -> Answer:
        """Send a request by hand, optionally as another user."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        file = Path(self.staging, f"request-{action}-{os.getpid()}-{next(_numbers)}")
        file.write_bytes(raw)
        try:
            if uid is not None:
                os.chown(file, uid, -1)
            path = "/new/" + urllib.parse.quote(file.name, safe="")
            return exchange(self.url, "POST", path, timeout=timeout)
        finally:
            file.unlink(missing_ok=True)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path, sent as given."""
        return exchange(self.url, "GET", path, headers)


class Service:
    """A service started by `selenite serve gobbler` on directories below `root`."""

    def __init__(
        self,
        root: Path,
        *,
        admin: Sequence[str] = (USER,),
        flags: Sequence[str] = ("-durable=false",),
        registry: Path | None = None,
        prefix: str = "",
        environment: Mapping[str, str] | None = None,
        within: str = 'exec "$@"',
    ) -> None:
        """Describe it; `within` is the shell script that runs it as its arguments."""
        self.within = within
        self.staging = root / "staging"
        self.registry = registry or root / "registry"
        self.log = root / "service.log"
        self.admin = list(admin)
        self.flags = list(flags)
        self.prefix = prefix
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        for directory, mode in ((self.staging, 0o1777), (self.registry, 0o755)):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(mode)

    def command(self, port: int) -> list[str]:
        """The command line."""
        admin = ["-admin", ",".join(self.admin)] if self.admin else []
        places = ["-staging", str(self.staging), "-registry", str(self.registry)]
        prefix = ["-prefix", self.prefix] if self.prefix else []
        return [
            *("sh", "-c", self.within, "sh"),
            *(str(COMMAND), "serve", "gobbler"),
            *places,
            *("-port", str(port)),
            *admin,
            *prefix,
            *self.flags,
        ]

    @property
    def url(self) -> str:
        base = f"http://127.0.0.1:{self.port}"
        return f"{base}/{self.prefix}" if self.prefix else base

    @property
    def gobbler(self) -> Gobbler:
        """Where it can be reached now."""
        return Gobbler(str(self.staging), str(self.registry), self.url)

    def start(self) -> Gobbler:
        """Start it on a free port and wait until it answers."""
        with free_port() as self.port:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.command(self.port), stdout=log, stderr=log, env=self.environment
                )
            wait_until(self.answers, "the service answers")
        return self.gobbler

    def answers(self) -> bool:
        """True once it answers; fails if it ended instead."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended: {self.log.read_text()}")
        try:
            return exchange(self.url, "GET", "/info", timeout=5).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(60)
        finally:
            self.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
