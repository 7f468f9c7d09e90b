"""J: manifests as Python objects."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import ours
from cases.base import Case, Contestant, Prepare, Row, Task, Timed


def _selenite(path: Path) -> Any:
    return ours.read_json(path)


def _json_load(path: Path) -> Any:
    import json

    with path.open(encoding="utf-8") as stream:
        return json.load(stream)


def _orjson(path: Path) -> Any:
    import orjson

    return orjson.loads(path.read_bytes())


def _parse(read: Callable[[Path], Any]) -> Prepare:
    return lambda task: lambda: read(task.data["J"] / "manifest.json")


def _resident() -> int:
    """Bytes of this process in memory, less what the allocators could give back."""
    import ctypes

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _keep(read: Callable[[Path], Any]) -> Prepare:
    """Measure memory in place of time: MiB are given out as seconds."""

    def prepare(task: Task) -> Callable[[], Any]:
        import os

        path = task.data["J"] / "manifest.json"

        def run() -> Timed:
            # In a child, so that every repetition begins with the same memory.
            receiver, sender = os.pipe()
            child = os.fork()
            if child == 0:
                before = _resident()
                kept = read(path)
                used = (_resident() - before) / 2**20
                os.write(sender, f"{used} {_fingerprint(kept)}".encode())
                os._exit(0)
            os.close(sender)
            with open(receiver) as stream:
                used_text, fingerprint = stream.read().split()
            os.waitpid(child, 0)
            return Timed(float(used_text), float(used_text), fingerprint)

        return run

    return prepare


def _fingerprint(value: Any) -> str:
    import json

    text = json.dumps(value, ensure_ascii=True).encode()
    return hashlib.sha256(text).hexdigest()


def _equal(value: Any, _task: Task, _thorough: bool) -> str:
    return value if isinstance(value, str) else _fingerprint(value)


CASES = (
    Case(
        rows=(
            Row("J1", "parse J to a dict", "selenite", ("json.load",), 3, 4.2),
            Row("J2", "the same", "selenite", ("orjson",), 2.5, 3.1),
        ),
        contestants=(
            Contestant("selenite", _parse(_selenite), "ours"),
            Contestant("json.load", _parse(_json_load), "plain"),
            Contestant("orjson", _parse(_orjson), "peers"),
        ),
        needs=("J",),
        check=_equal,
    ),
    Case(
        rows=(
            Row(
                *("J3", "memory kept by J", "selenite", ("orjson",), 0.80, 0.75),
                unit="MiB",
                inverse=True,
            ),
        ),
        contestants=(
            Contestant("selenite", _keep(_selenite), "ours"),
            Contestant("orjson", _keep(_orjson), "peers"),
        ),
        needs=("J",),
        check=_equal,
    ),
)
