"""Where downloaded files go: to places that one process writes at a time, or to fresh ones."""

from __future__ import annotations

import os
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Directory of the cache that holds objects of the registry.
BUCKET_CACHE_NAME = "bucket"


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold ``path.LOCK``, which stays; directories are made if need be.

    Args:
        path: The file that is to be written.

    Yields:
        Nothing.
    """
    from selenite._locks import lock, unlock

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with lock(path + ".LOCK") as held:
        owner = os.getpid()
        try:
            yield
        finally:
            # Not by a forked child, which has the file open too.
            if os.getpid() == owner:
                unlock(held)


@contextmanager
def fresh(suffix: str) -> Iterator[str]:
    """Make a temporary file, which stays unless something fails.

    Args:
        suffix: How its name ends.

    Yields:
        Its path.
    """
    import tempfile

    handle, path = tempfile.mkstemp(suffix=suffix)
    os.close(handle)
    try:
        yield path
    except BaseException:
        os.unlink(path)
        raise


def place(cache: str, folder: str, name: str) -> str:
    """Say where a file is kept.

    Args:
        cache: Directory of the cache.
        folder: Directory in it.
        name: Name of the file, which may hold slashes.

    Returns:
        Its path.

    Raises:
        ValueError: If it would not be in that directory.
    """
    if any(part in ("", ".", "..") for part in name.split("/")):
        message = f"unsafe name {name!r}: expected a relative path without `.` and `..`"
        raise ValueError(message)
    return os.path.join(cache, folder, name)
