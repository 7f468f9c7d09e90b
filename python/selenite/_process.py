"""The process of an embedded service: how it is started, awaited and ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

# Seconds between the request to stop and the end by force.
_GRACE = 5.0
_LOG_TAIL_BYTES = 4000
# How files begin that are Python itself; other programs (`uwsgi_python3`) only contain it.
_PYTHON = re.compile(r"\.?(python|pypy)", re.IGNORECASE)


@dataclass
class Running:
    """What belongs to a running service."""

    owner: int
    url: str
    arguments: dict[str, object]
    log: IO[bytes]
    lifeline: socket.socket | None = None
    temporary: list[str] = field(default_factory=list)


def listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        text = f"{error.strerror}: cannot listen on {host or '*'} port {port}; choose another port"
        raise OSError(error.errno, text) from error
    except BaseException:
        listener.close()
        raise
    return listener


def url_of(host: str, port: int) -> str:
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def interpreter() -> str:
    """Find a Python that can run a service.

    Where Python is a part of another program, ``sys.executable`` is that program, or nothing. In
    this order: what was given to ``multiprocessing.set_executable``, what this process says that it
    runs, and what lies in its directories; the first that is there.

    Returns:
        Its path.

    Raises:
        RuntimeError: If there is none.
    """
    spawn = sys.modules.get("multiprocessing.spawn")
    chosen = os.fsdecode((spawn and spawn.get_executable()) or "")
    if chosen != sys.executable and _is_program(chosen):
        return chosen
    running = [sys.executable or "", getattr(sys, "_base_executable", None) or ""]
    folders = dict.fromkeys((sys.exec_prefix, sys.prefix, sys.base_exec_prefix, sys.base_prefix))
    name = "python{}.{}".format(*sys.version_info)
    beside = [str(Path(folder, "bin", name)) for folder in folders]
    for program in [path for path in running if _PYTHON.match(Path(path).name)] + beside:
        if _is_program(program):
            return program
    raise RuntimeError(
        f"no Python was found that could run the service: `sys.executable` is {sys.executable!r}, "
        f"and there is no {' or '.join(f'`{path}`' for path in beside)}; name one by "
        "`multiprocessing.set_executable(path)`"
    )


def _is_program(path: str) -> bool:
    return Path(path).is_file() and os.access(path, os.X_OK)


def start_embedded(
    service: str, settings: dict[str, Any], listener: socket.socket, log: IO[bytes]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    packages = Path(__file__).parents[1]
    # Neither `site` nor the user's packages: the child needs this one package only.
    child = str(Path(__file__).with_name("_service.py"))
    command = [interpreter(), "-S", "-s", "-P", child, str(packages), service]
    command.append(json.dumps(settings))
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


def start_external(executable: str, flags: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [executable, *flags],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        process_group=0,
    )


def await_line(
    process: subprocess.Popen[bytes], lifeline: socket.socket, limit: float, log: IO[bytes]
) -> None:
    lifeline.settimeout(limit)
    try:
        if lifeline.recv(1024).endswith(b"\n"):
            return
    except TimeoutError:
        raise _failure(process, f"did not answer within {limit:g} s", log) from None
    except ConnectionError:
        pass
    raise _failure(process, f"ended with status {process.wait()}", log)


def await_answer(
    process: subprocess.Popen[bytes], host: str, port: int, limit: float, log: IO[bytes]
) -> None:
    name = url_of(host, port).removeprefix("http://").rpartition(":")[0].strip("[]")
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
            raise _failure(process, f"ended with status {process.returncode}", log)
        if rest <= 0:
            raise _failure(process, f"did not answer within {limit:g} s", log)
        time.sleep(0.01)


def _failure(process: subprocess.Popen[bytes], what: str, log: IO[bytes]) -> RuntimeError:
    # The process writes through the same description: the offset must stay where it is.
    size = os.fstat(log.fileno()).st_size
    tail = os.pread(log.fileno(), _LOG_TAIL_BYTES, max(0, size - _LOG_TAIL_BYTES))
    lines = tail.decode(errors="replace").strip() or "its log is empty"
    assert isinstance(process.args, list)
    return RuntimeError(f"the service, run by `{process.args[0]}`, {what}: {lines}")


def end(process: subprocess.Popen[bytes] | None, lifeline: socket.socket | None) -> None:
    if process is not None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if lifeline is not None:
        lifeline.close()


def remove_all(directories: list[str]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
