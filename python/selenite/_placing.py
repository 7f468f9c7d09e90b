"""Files that have their names when they are whole, and of which a killed process leaves little.

Until then a file is beside its place, under a name that follows from that of the place, and locked.
So the next one that goes there finds what a dead process has left, and knows it for dead.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedRandom

_FLAGS = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def placed(
    path: str,
    *,
    replaces: bool = True,
    sync_from: int = 0,
    part: str | None = None,
    mode: int = 0o666,
) -> Iterator[BufferedRandom]:
    """Write a file that gets its name when it is whole, on disk, and closed.

    Args:
        path: Where it comes to. A link there is replaced itself, what it leads to stays.
        replaces: Whether something may be there already.
        sync_from: Smaller files, in bytes, are not waited for until they are on disk.
        part: What its name follows from until then, if not from that of the place.
        mode: Its mode, less the umask.

    Yields:
        The file, to be written and read.

    Raises:
        FileExistsError: If something is there that may not be replaced.
    """
    with part_of(path, part, mode) as (spare, file):
        yield file
        file.flush()
        if os.fstat(file.fileno()).st_size >= sync_from:
            os.fsync(file.fileno())
        # Network file systems tell now that a quota is full.
        file.close()
        if not replaces and os.path.lexists(path):
            raise FileExistsError(path)
        os.replace(spare, path)


@contextmanager
def part_of(
    path: str, part: str | None = None, mode: int = 0o666
) -> Iterator[tuple[str, BufferedRandom]]:
    """Make a file beside a place, and remove it at last if it still has that name.

    Args:
        path: The place.
        part: What its name follows from, if not from that of the place.
        mode: Its mode, less the umask.

    Yields:
        Its path, and the open file.
    """
    folder, name = os.path.split(path)
    # Names are limited in bytes.
    start = os.fsencode(part or name)[:200].decode(errors="ignore")
    spare, held = _make(os.path.join(folder, f".{start}"), mode)
    try:
        with os.fdopen(os.dup(held), "w+b") as file:
            yield spare, file
    except BaseException:
        _remove(spare)
        raise
    else:
        if _is_named(held, spare):
            _remove(spare)
    finally:
        _unlock(held)
        # Whether all was written, the other descriptor has told.
        with suppress(OSError):
            os.close(held)


def _make(start: str, mode: int) -> tuple[str, int]:
    """Make a file of such a name, and lock it; returns its path and its descriptor."""
    usual = f"{start}.part"
    _remove_left(usual)
    while True:
        path = usual if not os.path.lexists(usual) else f"{start}.{os.urandom(6).hex()}.part"
        try:
            made = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue  # somebody was faster
        _lock(made)
        # In between, it could be taken for something that was left.
        if _is_named(made, path):
            return path, made
        os.close(made)


def _remove_left(path: str) -> None:
    """Remove a file of this user's that nobody is at work on."""
    try:
        file = os.open(path, _FLAGS)
    except OSError:
        return  # there is none, or it is not for us
    try:
        about = os.fstat(file)
        is_own = about.st_uid == os.geteuid() and about.st_nlink == 1
        if is_own and _lock(file) and _is_named(file, path):
            _remove(path)
            _unlock(file)
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False  # held, or there are no locks: then it stays
    return True


def _unlock(file: int) -> None:
    # Explicitly: a child that was forked meanwhile has the file open, too.
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)


def _is_named(file: int, path: str) -> bool:
    try:
        named = os.lstat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), named)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
