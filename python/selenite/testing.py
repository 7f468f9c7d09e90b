"""Services for tests: each a process of its own on loopback, ready in a fraction of a second."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from selenite import _process

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self

__all__ = ["GypsumServer"]

# A busy machine only delays the service.
_PATIENCE = 30.0


class GypsumServer:
    """A gypsum service on 127.0.0.1, for as long as a ``with`` block lasts.

    It does not wait for disks, since it is meant for tests, and ends with this process.

    Attributes:
        url: The service's URL; what ``rest_url`` of `gypsum_client` is set to.
        github_url: What answers for GitHub; for ``set_access_token(token, github_url=...)``.
        registry: Directory of the registry.

    Example:
        >>> from selenite.testing import GypsumServer
        >>> import urllib.request
        >>> with GypsumServer(tokens={"secret": "alice"}, admins=["alice"]) as server:
        ...     urllib.request.urlopen(server.url + "/list").read()
        b'[]'
    """

    def __init__(
        self,
        registry: str | os.PathLike[str] | None = None,
        tokens: Mapping[str, str | Mapping[str, Any]] | str | os.PathLike[str] | None = None,
        admins: Iterable[str] = (),
        **settings: Any,  # noqa: ANN401 (the options of `selenite serve gypsum`)
    ) -> None:
        """Describe the service; entering the block starts it.

        Args:
            registry: Directory of the registry, made if missing. By default a temporary one.
            tokens: Token to the name of its user, or to
                ``{"login": name, "organizations": [name, ...]}``; or the path of a file of tokens.
            admins: Names of administrators: users or organizations.
            **settings: ``github_url``, ``public_url``, ``quota_baseline`` and ``quota_growth`` in
                bytes, ``lock_timeout`` in seconds, ``port``, ``durable``, ``insecure_tokens``,
                ``s3_credentials`` (a dict of ``endpoint``, ``bucket``, ``key``, ``secret``),
                ``github_app`` (a dict of ``id``, ``secret``).
        """
        self.url = ""
        self.github_url = ""
        self.registry = "" if registry is None else os.fspath(registry)
        self._tokens = tokens
        self._settings = {"durable": False, **settings, "administrators": list(admins)}
        self._temporary: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> Self:
        """Start the service and wait until it answers.

        Returns:
            The server itself.

        Raises:
            OSError: The port is busy, or the registry cannot be made.
            RuntimeError: The service did not start; the message holds its log.
        """
        if self._process is not None:
            raise RuntimeError("the service is running already")
        try:
            if not self.registry:
                self.registry = self._temporary_directory("gypsum-registry-")
            Path(self.registry).mkdir(parents=True, exist_ok=True)
            settings = {**self._settings, "registry": str(Path(self.registry).resolve())}
            if self._tokens is not None:
                settings["tokens"] = self._token_file()
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
            host, port = settings.get("host", "127.0.0.1"), settings.pop("port", 0)
            with _process.listen(host, port) as listener:
                port = listener.getsockname()[1]
                self._process, self._lifeline = _process.start_embedded(
                    "gypsum", [json.dumps(settings)], listener, self._log
                )
            _process.await_line(self._process, self._lifeline, _PATIENCE, self._log)
        except BaseException:
            self.stop()
            raise
        self.url = _process.url_of(host, port)
        self.github_url = self.url + "/github"
        return self

    def stop(self) -> None:
        """Stop the service, and remove what was made for it; without one, do nothing."""
        process, lifeline, log = self._process, self._lifeline, self._log
        self._process = self._lifeline = self._log = None
        _process.end(process, lifeline)
        if log is not None:
            log.close()
        if self.registry in self._temporary:
            self.registry = ""
        _process.remove_all(self._temporary)
        self._temporary.clear()

    def __enter__(self) -> Self:
        """Start the service."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the service."""
        self.stop()

    def _temporary_directory(self, prefix: str) -> str:
        self._temporary.append(tempfile.mkdtemp(prefix=prefix))
        return self._temporary[-1]

    def _token_file(self) -> str:
        if isinstance(self._tokens, (str, os.PathLike)):
            return str(Path(self._tokens).resolve())
        users = {
            token: {"login": user} if isinstance(user, str) else dict(user)
            for token, user in (self._tokens or {}).items()
        }
        path = Path(self._temporary_directory("gypsum-tokens-"), "tokens.json")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(users, file)
        return str(path)
