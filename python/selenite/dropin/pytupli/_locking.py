"""Locks between the threads of all processes of a user."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from selenite._process_lock import ProcessLock

from ._log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# By name: the lock between threads, and how often it is held, by process.
_known: dict[str, tuple[ProcessLock, dict[int, int]]] = {}


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one thread of one of the user's processes at a time go on.

    Whoever holds the lock may take it again.

    Args:
        name: Name of the lock, which may be that of a file.
    """
    lock, depths = _known.setdefault(name, (ProcessLock(), {}))
    with lock:
        process = os.getpid()
        depth = depths.get(process, 0)
        held = _file_lock(name) if depth == 0 else None
        depths[process] = depth + 1
        try:
            yield
        finally:
            depths[process] = depth
            if held is not None:
                from selenite._locks import unlock

                unlock(held)


def _file_lock(name: str) -> Any:
    """Hold a lock on a file; None where there can be no such file."""
    try:
        from selenite._locks import lock

        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(caches, "selenite")
        os.makedirs(folder, exist_ok=True)
        return lock(os.path.join(folder, f"{name}.LOCK"))
    except (ImportError, OSError) as error:
        # Then other processes may do the same at once: of that comes work that is done twice.
        logger().debug("no lock between processes: %s", error)
        return None
