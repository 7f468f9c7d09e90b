"""Start and stop a Gobbler service for tests."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from selenite import _core

test_staging: str | None = None
"""Staging directory of the running service."""
test_registry: str | None = None
"""Registry of the running service."""
test_port: int | None = None
"""Port of the running service."""
test_process: subprocess.Popen[bytes] | None = None
"""Process of the running service."""

# A busy machine only delays the embedded service, so it gets at least this many seconds.
_PATIENCE = 10.0
# Seconds between the request to stop and the end by force.
_GRACE = 5.0
_LOG_TAIL_BYTES = 4000


@dataclass
class _Running:
    """What belongs to the running service."""

    owner: int
    url: str
    arguments: dict[str, object]
    log: IO[bytes]
    lifeline: socket.socket | None = None
    temporary: list[str] = field(default_factory=list)


_running: _Running | None = None
_stops_at_exit = False


def start_gobbler(
    staging: str | os.PathLike[str] | None = None,
    registry: str | os.PathLike[str] | None = None,
    port: int | None = None,
    wait: float = 1,
    version: str = "0.5.0",
    overwrite: bool = False,
    admin: Sequence[str] | None = None,
    extra_args: Sequence[str] = [],
    binary: str | os.PathLike[str] | None = None,
) -> tuple[bool, str, str, str]:
    """Start a Gobbler service in a process of its own, unless one is running.

    The service is the one that comes with this package; nothing is downloaded. It answers on
    127.0.0.1, and ends with this process. It does not wait for disks (``-durable=false``), since
    it is meant for tests.

    Args:
        staging: Staging directory, made if missing. By default a temporary one.
        registry: Registry, made if missing. By default a temporary one.
        port: Port to listen on. By default any free one.
        wait: Longest time in seconds to wait for the service to answer; 0 does not wait. The
            embedded service is given at least 10 seconds, but is ready in a fraction of one.
        version: Ignored; for compatibility.
        overwrite: Ignored; for compatibility.
        admin: Names of administrators. By default the current user.
        extra_args: More flags of the service, as for ``selenite serve gobbler``. The last of
            several equal flags counts.
        binary: Executable of another Gobbler service to start instead. By default the value of
            the environment variable ``SELENITE_GOBBLER_BINARY``, if it is set.

    Returns:
        Whether a service was started, its staging directory, its registry, and its URL (without
        a ``-prefix``).

    Raises:
        ValueError: A flag in ``extra_args`` or a line in a file it names is wrong.
        OSError: The port is busy, or a file or directory cannot be used.
        RuntimeError: The service died or did not answer in time.

    Example:
        >>> import pygobbler
        >>> _, staging, registry, url = pygobbler.start_gobbler()
        >>> pygobbler.service_info(url)["registry"] == registry
        True
        >>> pygobbler.stop_gobbler()
    """
    global _running, _stops_at_exit, test_staging, test_registry, test_port, test_process
    executable = binary or os.environ.get("SELENITE_GOBBLER_BINARY") or None
    arguments: dict[str, object] = {
        "staging": None if staging is None else os.fspath(staging),
        "registry": None if registry is None else os.fspath(registry),
        "port": port,
        "admin": None if admin is None else list(admin),
        "extra_args": list(extra_args) or None,
        "binary": None if binary is None else os.fspath(binary),
    }
    if _running is not None and test_staging is not None and test_registry is not None:
        if _is_alive(_running):
            _warn_of_differences(_running.arguments, arguments)
            return False, test_staging, test_registry, _running.url
        stop_gobbler()
    if not _stops_at_exit:
        atexit.register(stop_gobbler)
        _stops_at_exit = True

    temporary: list[str] = []
    log = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the service is stopped)
    lifeline = None
    process = None
    try:
        if staging is None:
            temporary.append(staging := tempfile.mkdtemp(prefix="gobbler-staging-"))
            Path(staging).chmod(0o1777)
        if registry is None:
            temporary.append(registry := tempfile.mkdtemp(prefix="gobbler-registry-"))
            Path(registry).chmod(0o755)
        names = [_current_user()] if admin is None else list(admin)
        flags = ["-registry", os.fspath(registry), "-staging", os.fspath(staging)]
        flags += ["-port", str(port or 0), *(["-admin", ",".join(names)] if names else [])]
        flags += extra_args
        real_staging, real_registry, host, real_port = _core.parse_gobbler_flags(flags)
        for directory in (real_staging, real_registry):
            Path(directory).mkdir(parents=True, exist_ok=True)
        with _listen(host, real_port) as listener:
            real_port = listener.getsockname()[1]
            if executable is None:
                command = ["-durable=false", *flags]
                process, lifeline = _start_embedded(command, listener, log)
        if executable is not None:
            flags[5] = str(real_port)
            process = _start_external(os.fspath(executable), flags, log)
        assert process is not None
        url = _url(host, real_port)
        if wait > 0:
            if lifeline is None:
                _await_answer(process, host, real_port, wait, log)
            else:
                _await_line(process, lifeline, max(wait, _PATIENCE), log)
    except BaseException:
        _end(process, lifeline)
        log.close()
        _remove(temporary)
        raise
    _running = _Running(os.getpid(), url, arguments, log, lifeline, temporary)
    test_staging, test_registry, test_port = real_staging, real_registry, real_port
    test_process = process
    return True, test_staging, test_registry, url


def stop_gobbler() -> None:
    """Stop the service of :func:`start_gobbler`; without one, do nothing.

    The service finishes or undoes running requests; after 5 seconds it is killed. Its temporary
    directories are removed, given ones are kept. A service that was started before a fork is
    stopped only by the process that started it.

    Example:
        >>> import pygobbler
        >>> pygobbler.stop_gobbler()
    """
    global _running, test_staging, test_registry, test_port, test_process
    running, process = _running, test_process
    _running = None
    test_staging = test_registry = test_port = test_process = None
    if running is None or running.owner != os.getpid():
        return
    _end(process, running.lifeline)
    running.log.close()
    _remove(running.temporary)


def _current_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _warn_of_differences(running: dict[str, object], given: dict[str, object]) -> None:
    differing = [
        name
        for name, value in given.items()
        if value is not None and value != running[name] and value != _real_value(name)
    ]
    if differing:
        warnings.warn(
            "a Gobbler service is already running with another value of "
            f"{', '.join(f'`{name}`' for name in differing)}; "
            "call stop_gobbler() first to start one with these arguments",
            stacklevel=3,
        )


def _real_value(name: str) -> object:
    return {"staging": test_staging, "registry": test_registry, "port": test_port}.get(name)


def _is_alive(running: _Running) -> bool:
    if running.owner == os.getpid():
        return test_process is not None and test_process.poll() is None
    # Only a parent can ask for the state of a process; after a fork the socket has to tell.
    host, _, port = running.url.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _url(host: str, port: int) -> str:
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _start_embedded(
    flags: list[str], listener: socket.socket, log: IO[bytes]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    packages = Path(__file__).parents[1]
    # Neither `site` nor the user's packages: the child needs this one package only.
    child = str(Path(__file__).with_name("_service.py"))
    command = [sys.executable, "-S", "-s", "-P", child, str(packages), *flags]
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                command,
                stdin=listener.fileno(),
                stdout=theirs.fileno(),
                stderr=log,
                process_group=0,  # Ctrl-C at the terminal is meant for this process only
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


def _start_external(executable: str, flags: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [executable, *flags],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        process_group=0,
    )


def _await_line(
    process: subprocess.Popen[bytes], lifeline: socket.socket, limit: float, log: IO[bytes]
) -> None:
    lifeline.settimeout(limit)
    try:
        if lifeline.recv(1024).endswith(b"\n"):
            return
    except TimeoutError:
        raise _failure(f"the service did not answer within {limit:g} s", log) from None
    except ConnectionError:
        pass
    raise _failure(f"the service ended with status {process.wait()}", log)


def _await_answer(
    process: subprocess.Popen[bytes], host: str, port: int, limit: float, log: IO[bytes]
) -> None:
    name = _url(host, port).removeprefix("http://").rpartition(":")[0].strip("[]")
    end = time.monotonic() + limit
    while True:
        rest = end - time.monotonic()
        try:
            with socket.create_connection((name, port), timeout=max(rest, 0.01)) as connection:
                connection.sendall(b"GET /info HTTP/1.0\r\n\r\n")
                if connection.recv(1):
                    return
        except OSError:
            pass
        if process.poll() is not None:
            raise _failure(f"the service ended with status {process.returncode}", log)
        if rest <= 0:
            raise _failure(f"the service did not answer within {limit:g} s", log)
        time.sleep(0.01)


def _failure(what: str, log: IO[bytes]) -> RuntimeError:
    # The process writes through the same description: the offset must stay where it is.
    size = os.fstat(log.fileno()).st_size
    tail = os.pread(log.fileno(), _LOG_TAIL_BYTES, max(0, size - _LOG_TAIL_BYTES))
    lines = tail.decode(errors="replace").strip() or "its log is empty"
    return RuntimeError(f"{what}: {lines}")


def _end(process: subprocess.Popen[bytes] | None, lifeline: socket.socket | None) -> None:
    if process is not None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if lifeline is not None:
        lifeline.close()


def _remove(directories: list[str]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
