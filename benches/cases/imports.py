"""I: imports, above a bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from cases.base import Case, Contestant, Prepare, Row, Task, Timed

TIMES = 5


def _start(statement: str) -> float:
    """Seconds that an interpreter takes to start, do this, and end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", statement], check=True)
    return time.perf_counter() - begin


def _import(package: str, is_peer: bool) -> Prepare:
    def prepare(task: Task) -> Callable[[], Timed]:
        peers = task.facts["peers"]
        path = f"import sys; sys.path.insert(0, {peers!r})" if is_peer else "import sys"
        check = f"{path}; import {package} as p; print(p.__file__)"
        answer = subprocess.run(
            [sys.executable, "-I", "-c", check], check=True, stdout=subprocess.PIPE, text=True
        )
        if answer.stdout.startswith(peers + os.sep) != is_peer:
            raise AssertionError(f"{package} comes from {answer.stdout}")

        def run() -> Timed:
            # The shortest of each, as the difference is small beside the noise of starting.
            bare, whole = [], []
            for _ in range(TIMES):
                bare.append(_start(path))
                whole.append(_start(f"{path}; import {package}"))
            spent = max(min(whole) - min(bare), 0.0001)
            return Timed(spent, spent, "imported")

        return run

    return prepare


CASES = tuple(
    Case(
        rows=(Row(ident, f"import {package}", "selenite", ("original",), must, stretch),),
        contestants=(
            Contestant("selenite", _import(package, False), "ours"),
            Contestant("original", _import(package, True), "plain"),
        ),
        needs=(),
        check=lambda value, _task, _thorough: value,
    )
    for ident, package, must, stretch in (
        ("I1", "pygobbler", 6, 10),
        ("I2", "gypsum_client", 6, 10),
        ("I3", "pytupli.storage", 4, 5),
    )
)
