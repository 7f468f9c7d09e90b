"""Services for tests: each a process of its own on loopback, ready in a fraction of a second.

Both are context managers, so a fixture of pytest is one ``with`` and one ``yield``; with
``scope="session"`` all tests share a service.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from selenite import _core, _gobbler, _process
from selenite._arguments import listed
from selenite._process_lock import ProcessLock

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self

__all__ = ["GobblerServer", "GypsumServer"]

# A busy machine only delays the service.
_PATIENCE = 30.0


class _Server:
    """A service on 127.0.0.1, for as long as a ``with`` block lasts.

    Attributes:
        url: The service's URL.
        registry: Directory of the registry.
    """

    _name = ""

    def __init__(
        self, registry: str | os.PathLike[str] | None, settings: Mapping[str, Any]
    ) -> None:
        self.url = ""
        self.registry = "" if registry is None else os.fspath(registry)
        # It does not wait for disks, since it is meant for tests.
        self._settings = {"durable": False, **settings}
        self._settings["hosts"] = listed(settings.get("hosts", ()), "hosts")
        self._temporary: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._log: IO[bytes] | None = None
        self._lock = ProcessLock()
        self._owner = 0

    def start(self) -> Self:
        """Start the service and wait until it answers.

        Returns:
            The server itself.

        Raises:
            OSError: The port is busy, or a directory cannot be made.
            RuntimeError: The service did not start; the message holds its log.
        """
        with self._lock:
            if self._process is not None:
                raise RuntimeError("the service is running already")
            self._owner = os.getpid()
            try:
                settings = self._prepare()
                self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
                host, port = settings.get("host", "127.0.0.1"), settings.pop("port", 0)
                with _process.listen(host, port) as listener:
                    port = listener.getsockname()[1]
                    self._process, self._lifeline = _process.start_embedded(
                        self._name, settings, listener, self._log
                    )
                _process.await_line(self._process, self._lifeline, _PATIENCE, self._log)
            except BaseException:
                self.stop()
                raise
            self.url = _process.url_of(host, port)
            return self

    def stop(self) -> None:
        """Stop the service, and remove what was made for it; without one, do nothing.

        A service that was started before a fork is stopped only by the process that started it.
        """
        with self._lock:
            process, lifeline, log = self._process, self._lifeline, self._log
            self._process = self._lifeline = self._log = None
            if self._owner != os.getpid():
                return
            _process.end(process, lifeline)
            if log is not None:
                log.close()
            self._forget(self._temporary)
            _process.remove_all(self._temporary)
            self._temporary.clear()

    def _prepare(self) -> dict[str, Any]:
        """Make what the service needs, and tell its settings."""
        raise NotImplementedError

    def _forget(self, removed: list[str]) -> None:
        """Name directories no more that are removed."""
        if self.registry in removed:
            self.registry = ""

    def _temporary_directory(self, prefix: str) -> str:
        self._temporary.append(tempfile.mkdtemp(prefix=prefix))
        return self._temporary[-1]

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


class GobblerServer(_Server):
    """A Gobbler service on 127.0.0.1, for as long as a ``with`` block lasts.

    It does not wait for disks, since it is meant for tests, and ends with this process. Unlike
    ``pygobbler.start_gobbler``, of which there is one in a process, there may be many.

    Attributes:
        url: The service's URL, for ``url=`` of the functions of `pygobbler`.
        staging: Staging directory, for ``staging=`` of those that change something.
        registry: Directory of the registry, for ``registry=`` of those that read.

    Example:
        >>> from selenite.testing import GobblerServer
        >>> import pygobbler
        >>> with GobblerServer() as server:
        ...     pygobbler.create_project("p", staging=server.staging, url=server.url)
        ...     pygobbler.list_projects(registry=server.registry, url=server.url)
        ['p']
    """

    _name = "gobbler"

    def __init__(
        self,
        staging: str | os.PathLike[str] | None = None,
        registry: str | os.PathLike[str] | None = None,
        admins: str | Iterable[str] | None = None,
        **settings: Any,  # noqa: ANN401 (the flags of `selenite serve gobbler`)
    ) -> None:
        """Describe the service; entering the block starts it.

        Args:
            staging: Staging directory, made if missing. By default a temporary one.
            registry: Directory of the registry, made if missing. By default a temporary one.
            admins: Names of administrators. By default the current user.
            **settings: ``hosts`` (names of hosts that it answers to, besides its own), ``port``,
                ``host``, ``prefix``, ``concurrency``, ``durable``, ``insecure_staging``,
                ``probation`` in days, ``allow_roots`` (directories that projects may be in, by
                links), ``whitelist`` and ``spoof`` (paths of files).
        """
        names = [_gobbler.current_user()] if admins is None else listed(admins, "admins")
        super().__init__(registry, {**settings, "administrators": names})
        self.staging = "" if staging is None else os.fspath(staging)

    def start(self) -> Self:
        """Start the service and wait until it answers.

        Returns:
            The server itself.

        Raises:
            ValueError: A setting, or a line in a file that it names, is wrong.
            OSError: The port is busy, or a file or directory cannot be used.
            RuntimeError: The service did not start; the message holds its log.
        """
        super().start()
        prefix = self._settings.get("prefix", "").strip("/")
        self.url += f"/{prefix}" if prefix else ""
        return self

    def _prepare(self) -> dict[str, Any]:
        if not self.staging:
            self.staging = self._temporary_directory("gobbler-staging-")
            _gobbler.open_to_all(self.staging)
        if not self.registry:
            self.registry = self._temporary_directory("gobbler-registry-")
            Path(self.registry).chmod(0o755)
        places = {"staging": self.staging, "registry": self.registry}
        settings = {"port": 0, **self._settings, **places}
        for name in ("whitelist", "spoof"):
            if name in settings:
                settings[name] = os.fspath(settings[name])
        roots = settings.get("allow_roots", ())
        roots = [roots] if isinstance(roots, (str, os.PathLike)) else roots
        settings["allow_roots"] = [os.fspath(root) for root in roots]
        self.staging, self.registry, *_ = _core.check_gobbler_settings(json.dumps(settings))
        _gobbler.make_staging(self.staging)
        Path(self.registry).mkdir(parents=True, exist_ok=True)
        return settings

    def _forget(self, removed: list[str]) -> None:
        super()._forget(removed)
        if self.staging in removed:
            self.staging = ""


class GypsumServer(_Server):
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

    _name = "gypsum"

    def __init__(
        self,
        registry: str | os.PathLike[str] | None = None,
        tokens: Mapping[str, str | Mapping[str, Any]] | str | os.PathLike[str] | None = None,
        admins: str | Iterable[str] = (),
        **settings: Any,  # noqa: ANN401 (the options of `selenite serve gypsum`)
    ) -> None:
        """Describe the service; entering the block starts it.

        Args:
            registry: Directory of the registry, made if missing. By default a temporary one.
            tokens: Token to the name of its user, or to
                ``{"login": name, "organizations": [name, ...]}``; or the path of a file of tokens.
            admins: Names of administrators: users or organizations.
            **settings: ``github_url``, ``public_url``, ``hosts`` (names of hosts that it answers
                to, besides its own), ``quota_baseline`` and ``quota_growth`` in bytes,
                ``lock_timeout`` and ``url_lifetime`` in seconds, ``port``, ``durable``,
                ``insecure_tokens``, ``allow_roots`` (directories that projects may be in, by
                links), ``s3_credentials`` (a dict of ``endpoint``, ``bucket``,
                ``key``, ``secret``), ``github_app`` (a dict of ``id``, ``secret``).
        """
        super().__init__(registry, {**settings, "administrators": listed(admins, "admins")})
        self.github_url = ""
        self._tokens = tokens

    def start(self) -> Self:
        """Start the service and wait until it answers.

        Returns:
            The server itself.

        Raises:
            OSError: The port is busy, or the registry cannot be made.
            RuntimeError: The service did not start; the message holds its log.
        """
        super().start()
        self.github_url = self.url + "/github"
        return self

    def _prepare(self) -> dict[str, Any]:
        settings = dict(self._settings)
        if settings.get("store") is None:
            self.registry = self.registry or self._temporary_directory("gypsum-registry-")
            Path(self.registry).mkdir(parents=True, exist_ok=True)
            settings["registry"] = str(Path(self.registry).resolve())
        if self._tokens is not None:
            settings["tokens"] = self._token_file()
        return settings

    def add_fixture(self, token: str | None = None) -> None:
        """Add the projects that the clients' own tests read: `test-R` and `test-Py`.

        `test-R/basic` has three versions of the files `blah.txt` (52 bytes) and `foo/bar.txt`
        (21 bytes): `v1` stores them, `v2` links to `v1`, and `v3`, the latest, to `v2`.

        Args:
            token: Token of an administrator. By default one of those given to the server.

        Raises:
            RuntimeError: The service refused something; the message holds its reason.
            ValueError: No token of an administrator is known.

        Example:
            >>> from selenite.testing import GypsumServer
            >>> with GypsumServer(tokens={"secret": "alice"}, admins=["alice"]) as server:
            ...     server.add_fixture()
            ...     server.request("GET", "/file/test-R%2Fbasic%2F..latest")
            {'version': 'v3'}
        """
        token = token or self._administrator()
        letters = "".join(f"{chr(code)}\n" for code in range(ord("A"), ord("Z") + 1))
        files = {"blah.txt": letters.encode(), "foo/bar.txt": b"1 2 3 4 5\n6 7 8 9 10\n"}
        for project in ("test-R", "test-Py"):
            self.request("POST", f"/create/{project}", token, {"permissions": {"owners": []}})
        for version in ("v1", "v2", "v3"):
            self.upload("test-R", "basic", version, files, token)

    def upload(
        self,
        project: str,
        asset: str,
        version: str,
        files: Mapping[str, bytes],
        token: str | None = None,
        *,
        on_probation: bool = False,
    ) -> None:
        """Upload a version; files that equal those of the latest version become links.

        Args:
            project: Project, which must exist.
            asset: Asset.
            version: Version, which must not exist.
            files: Path to content of each file.
            token: Token of somebody who may upload. By default that of an administrator.
            on_probation: Whether the version is put on probation.

        Raises:
            RuntimeError: The service refused something; the message holds its reason.
            ValueError: No token is known.

        Example:
            >>> from selenite.testing import GypsumServer
            >>> with GypsumServer(tokens={"secret": "alice"}, admins=["alice"]) as server:
            ...     server.request("POST", "/create/p", "secret", {})
            ...     server.upload("p", "a", "v1", {"x.txt": b"content"})
            ...     server.request("GET", "/list?prefix=p/a/v1/")
            ['p/a/v1/..manifest', 'p/a/v1/..summary', 'p/a/v1/x.txt']
        """
        import hashlib
        import urllib.parse

        token = token or self._administrator()
        names = (urllib.parse.quote(name, safe="") for name in (project, asset, version))
        body = {
            "files": [
                {
                    "type": "dedup",
                    "path": path,
                    "size": len(content),
                    "md5sum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
                }
                for path, content in files.items()
            ],
            "on_probation": on_probation,
        }
        started = self.request("POST", "/upload/start/" + "/".join(names), token, body)
        session = started["session_token"]
        try:
            for file in started["file_urls"]:
                allowed = self.request("POST", file["url"], session)
                headers = {"Content-MD5": allowed["md5sum_base64"]}
                self._send("PUT", allowed["url"], headers, files[file["path"]])
            self.request("POST", started["complete_url"], session)
        except BaseException:
            self.request("POST", started["abort_url"], session)
            raise

    def request(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,  # noqa: ANN401 (JSON)
    ) -> Any:  # noqa: ANN401 (JSON)
        """Send one request to the service.

        Args:
            method: HTTP method.
            path: Path and query, quoted.
            token: Token of the user or session, if one is needed.
            body: What is sent as JSON.

        Returns:
            The answer, parsed from JSON, or ``None`` if it is empty.

        Raises:
            RuntimeError: The service refused; the message holds its reason.

        Example:
            >>> from selenite.testing import GypsumServer
            >>> with GypsumServer() as server:
            ...     server.request("GET", "/list")
            []
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = b"" if body is None else json.dumps(body).encode()
        answer = self._send(method, self.url + path, headers, data)
        return json.loads(answer) if answer else None

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
        import http.client
        import urllib.parse

        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=_PATIENCE)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            reason = answer.decode(errors="replace")
            raise RuntimeError(f"{method} {path} answered {response.status}: {reason}")
        return answer

    def _administrator(self) -> str:
        admins = set(self._settings["administrators"])
        for token, user in self._users().items():
            names = {user["login"], *user.get("organizations", [])}
            if names & admins and not token.startswith("sha256:"):
                return token
        raise ValueError("no token of an administrator is known; pass `token`")

    def _token_file(self) -> str:
        if isinstance(self._tokens, (str, os.PathLike)):
            return str(Path(self._tokens).resolve())
        path = Path(self._temporary_directory("gypsum-tokens-"), "tokens.json")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._users(), file)
        return str(path)

    def _users(self) -> dict[str, dict[str, Any]]:
        if self._tokens is None or isinstance(self._tokens, (str, os.PathLike)):
            return {}
        users: dict[str, dict[str, Any]] = {}
        for token, user in self._tokens.items():
            users[token] = {"login": user} if isinstance(user, str) else dict(user)
            if "organizations" in users[token]:
                given = users[token]["organizations"]
                users[token]["organizations"] = listed(given, "organizations")
        return users
