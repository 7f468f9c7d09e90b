"""Processes for which files behave as on file systems that are not here."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

SUPPORT = Path(__file__).parent
# Numbers of the system call `flock`.
FLOCK = {"x86_64": 73, "aarch64": 32}


def failing_close(folder: Path) -> dict[str, str]:
    """Environment in which closing a file below ``$CLOSE_FAILS_BELOW`` fails."""
    library = folder / "failing_close.so"
    source = SUPPORT / "failing_close.c"
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library)}


def forbid_flock(errno: int) -> None:
    """From now on, `flock` fails in this process, in all its threads."""
    import ctypes
    import struct

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    # The number of the call is compared, and the call let through or answered.
    steps = [
        step(0x20, 0),
        step(0x15, FLOCK[platform.machine()], 0, 1),
        step(0x06, 0x00050000 | errno),
        step(0x06, 0x7FFF0000),
    ]
    program = ctypes.create_string_buffer(b"".join(steps))
    filter_ = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
    assert libc.prctl(22, 2, filter_, 0, 0) == 0, "PR_SET_SECCOMP"


def run(code: str, *arguments: object, **environment: str) -> list[str]:
    """Run Python in a process of its own; returns the lines that it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SUPPORT.parent), **environment},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout.splitlines()
