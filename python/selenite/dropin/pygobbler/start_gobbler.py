"""Start and stop a Gobbler service for tests."""

from __future__ import annotations

import os

from selenite import _core
from selenite._arguments import listed
from selenite._process_lock import ProcessLock
from selenite._settings import gobbler_binary

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable
    from typing import Any

    from selenite._process import Running

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
# One thread starts or stops the service at a time.
_lock = ProcessLock()
_running: Running | None = None
_stops_at_exit = False


def start_gobbler(
    staging: str | os.PathLike[str] | None = None,
    registry: str | os.PathLike[str] | None = None,
    port: int | None = None,
    wait: float = 1,
    version: str = "0.5.0",
    overwrite: bool = False,
    admin: str | Iterable[str] | None = None,
    extra_args: str | Iterable[str | os.PathLike[str]] = [],
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
        RuntimeError: The service died or did not answer in time, or there is no Python to run it
            with.

    Example:
        >>> import pygobbler
        >>> _, staging, registry, url = pygobbler.start_gobbler()
        >>> pygobbler.service_info(url)["registry"] == registry
        True
        >>> pygobbler.stop_gobbler()
    """
    flags = [extra_args] if isinstance(extra_args, str | os.PathLike) else list(extra_args)
    arguments: dict[str, Any] = {
        "staging": None if staging is None else os.fspath(staging),
        "registry": None if registry is None else os.fspath(registry),
        "port": port,
        "admin": None if admin is None else listed(admin, "admin"),
        "extra_args": [os.fspath(flag) for flag in flags] or None,
        "binary": None if binary is None else os.fspath(binary),
    }
    with _lock:
        return _start(arguments, wait)


def _start(arguments: dict[str, Any], wait: float) -> tuple[bool, str, str, str]:
    global _running, _stops_at_exit, test_staging, test_registry, test_port, test_process
    import atexit
    import json
    import tempfile
    from pathlib import Path

    from selenite import _gobbler, _process

    staging, registry, port = (arguments[name] for name in ("staging", "registry", "port"))
    executable = arguments["binary"] or gobbler_binary()
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
    process: subprocess.Popen[bytes] | None = None
    try:
        if staging is None:
            temporary.append(staging := tempfile.mkdtemp(prefix="gobbler-staging-"))
            _gobbler.open_to_all(staging)
        if registry is None:
            temporary.append(registry := tempfile.mkdtemp(prefix="gobbler-registry-"))
            Path(registry).chmod(0o755)
        names = [_gobbler.current_user()] if arguments["admin"] is None else arguments["admin"]
        settings = {"staging": staging, "registry": registry, "port": port or 0}
        settings |= {"administrators": names, "durable": False, **_given(arguments["extra_args"])}
        checked = _core.check_gobbler_settings(json.dumps(settings))
        real_staging, real_registry, host, real_port = checked
        _gobbler.make_staging(real_staging)
        Path(real_registry).mkdir(parents=True, exist_ok=True)
        with _process.listen(host, real_port) as listener:
            real_port = listener.getsockname()[1]
            if executable is None:
                process, lifeline = _process.start_embedded("gobbler", settings, listener, log)
        if executable is not None:
            flags = ["-registry", registry, "-staging", staging, "-port", str(real_port)]
            flags += ["-admin", ",".join(names)] if names else []
            flags += arguments["extra_args"] or []
            process = _process.start_external(executable, flags, log)
        assert process is not None
        url = _process.url_of(host, real_port)
        if wait > 0:
            if lifeline is None:
                _process.await_answer(process, host, real_port, wait, log)
            else:
                _process.await_line(process, lifeline, max(wait, _PATIENCE), log)
    except BaseException:
        _process.end(process, lifeline)
        log.close()
        _process.remove_all(temporary)
        raise
    _running = _process.Running(os.getpid(), url, arguments, log, lifeline, temporary)
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
    with _lock:
        running, process = _running, test_process
        _running = None
        test_staging = test_registry = test_port = test_process = None
        if running is None or running.owner != os.getpid():
            return
        from selenite import _process

        _process.end(process, running.lifeline)
        running.log.close()
        _process.remove_all(running.temporary)


def _given(flags: list[str] | None) -> dict[str, Any]:
    if not flags:
        return {}
    from selenite._serve_gobbler import parse

    settings = parse(flags)
    if settings.pop("help", False):
        raise ValueError("`-help` only prints the usage")
    return settings


def _warn_of_differences(running: dict[str, object], given: dict[str, object]) -> None:
    differing = [
        name
        for name, value in given.items()
        if value is not None and value != running[name] and value != _real_value(name)
    ]
    if differing:
        import warnings

        warnings.warn(
            "a Gobbler service is already running with another value of "
            f"{', '.join(f'`{name}`' for name in differing)}; "
            "call stop_gobbler() first to start one with these arguments",
            stacklevel=4,
        )


def _real_value(name: str) -> object:
    return {"staging": test_staging, "registry": test_registry, "port": test_port}.get(name)


def _is_alive(running: Running) -> bool:
    if running.owner == os.getpid():
        return test_process is not None and test_process.poll() is None
    import socket

    # Only a parent can ask for the state of a process; after a fork the socket has to tell.
    host, _, port = running.url.removeprefix("http://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    return True
