"""Locks on files, where the file system has them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

_IS_WARNED = False


def lock(path: str) -> IO[bytes]:
    """Hold a lock on a file, which is made if need be.

    Another user's lock file may be one that this user can only read; while somebody holds it, the
    work goes on without, with a warning, since it could be held for ever. Where the file system has
    no locks, the work goes on without, too, with one warning.

    Args:
        path: The file. Its directory must exist.

    Returns:
        The open file, for :func:`unlock`.
    """
    import errno
    import fcntl

    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    is_own = os.fstat(file).st_uid in (os.geteuid(), 0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX if is_own else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _warn_of_foreign_lock(path)
    except OSError as error:
        # `EBADF`: some network file systems lock only what is open for writing.
        missing = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
        if error.errno not in missing:
            os.close(file)
            raise
        warn_of_missing_locks()
    return os.fdopen(file, "rb")


def unlock(file: IO[bytes]) -> None:
    """Give a lock up: explicitly, since a child that was forked meanwhile has the file open, too.

    Args:
        file: What :func:`lock` has returned.
    """
    import fcntl
    from contextlib import suppress

    # Nothing is held where there are no locks.
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_UN)
    file.close()


def hold(path: Path) -> int:
    """Hold a file that nobody else may hold, in this process or another one, without waiting.

    Args:
        path: The file, made if need be. Its directory must exist.

    Returns:
        The open file, for :func:`let_go`.

    Raises:
        BlockingIOError: If somebody holds it.
        OSError: If it cannot be made, or if the file system has no locks.
    """
    import fcntl
    from contextlib import suppress

    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed it just now.
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file)):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def let_go(path: Path, file: int) -> None:
    """Let others hold a file, which is removed.

    Args:
        path: The file.
        file: What :func:`hold` has returned.
    """
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(file)


def _warn_of_foreign_lock(path: str) -> None:
    import warnings

    from selenite._exceptions import SeleniteWarning

    message = f"the lock '{path}' is not waited for: it belongs to another user, and is held"
    warnings.warn(message, SeleniteWarning, stacklevel=5)


def warn_of_missing_locks() -> None:
    """Warn, once in a process, that calls at the same time do not wait for each other."""
    global _IS_WARNED
    if _IS_WARNED:
        return
    _IS_WARNED = True
    import warnings

    from selenite._exceptions import SeleniteWarning

    message = (
        "the file system has no file locks, so calls at the same time may do the same work; files"
        " are still placed only when they are whole"
    )
    warnings.warn(message, SeleniteWarning, stacklevel=4)
