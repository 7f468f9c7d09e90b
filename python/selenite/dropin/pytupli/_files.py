"""Files that have their names when they are whole."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


@contextmanager
def part_of(path: str) -> Iterator[str]:
    """Name a temporary file beside another one, and remove it at last if it is still there.

    Args:
        path: The other one.

    Yields:
        Its path.
    """
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.part")
    try:
        yield part
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def target_of(path: str) -> str:
    """The file that is written: a link keeps leading to what it leads to.

    Args:
        path: The file, or a link to it.

    Raises:
        IsADirectoryError: If it is a folder.
    """
    path = os.path.realpath(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return path


@contextmanager
def placed(path: str, *, replaces: bool = False) -> Iterator[BinaryIO]:
    """Write a file that has its name when it is whole, and closed.

    Args:
        path: The file; a link keeps leading to what it leads to.
        replaces: Whether it may be there already.

    Yields:
        The open file.

    Raises:
        FileExistsError: If it may not.
        IsADirectoryError: If it is a folder.
    """
    path = target_of(path)
    with part_of(path) as part:
        with open(part, "xb") as file:
            yield file
        if not replaces and os.path.lexists(path):
            raise FileExistsError(path)
        os.replace(part, path)
