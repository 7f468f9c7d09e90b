"""W: listings of directories."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

from cases import ours
from cases.base import Case, Contestant, Prepare, Row, Task


def _selenite(sizes: bool) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        root = str(task.data["W"])
        return lambda: ours.walk(root, sizes)

    return prepare


def _os_walk(sizes: bool) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        root = str(task.data["W"])

        def run() -> list[Any]:
            found: list[Any] = []
            for folder, _, names in os.walk(root):
                below = os.path.relpath(folder, root)
                for name in names:
                    path = os.path.join(below, name)
                    if sizes:
                        found.append((path, os.path.getsize(os.path.join(folder, name))))
                    else:
                        found.append(path)
            return found

        return run

    return prepare


def _floor(what: str) -> Prepare:
    return lambda task: task.floor(what, str(task.data["W"]))


def _listing(value: Any, _task: Task, _thorough: bool) -> str:
    return hashlib.sha256(repr(sorted(value)).encode()).hexdigest()


CASES = (
    Case(
        rows=(Row("W1", "walk W", "selenite", ("os.walk",), 3.5, 4.5, "getdents"),),
        contestants=(
            Contestant("selenite", _selenite(False), "ours"),
            Contestant("os.walk", _os_walk(False), "plain"),
            Contestant("getdents", _floor("getdents"), "plain", is_floor=True),
        ),
        needs=("W",),
        check=_listing,
    ),
    Case(
        rows=(Row("W2", "walk W with sizes", "selenite", ("os.walk",), 2.7, 2.9, "statx"),),
        contestants=(
            Contestant("selenite", _selenite(True), "ours"),
            Contestant("os.walk", _os_walk(True), "plain"),
            Contestant("statx", _floor("statx"), "plain", is_floor=True),
        ),
        needs=("W",),
        check=_listing,
    ),
)
