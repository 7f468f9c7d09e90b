"""Files that only one process downloads at a time."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold ``path.LOCK``, which stays; directories are made if need be.

    Args:
        path: The file that is to be written.

    Yields:
        Nothing.
    """
    import fcntl

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".LOCK", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
