"""Files that have their names when they are whole."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from selenite import _placing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import BinaryIO


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


def placed(
    path: str, *, replaces: bool = False, part: str | None = None
) -> AbstractContextManager[BinaryIO]:
    """Write a file that has its name when it is whole, on disk, and closed.

    Args:
        path: The file; a link keeps leading to what it leads to.
        replaces: Whether it may be there already.
        part: What its name follows from until then, if not from that of the file.

    Returns:
        The open file.

    Raises:
        FileExistsError: If it may not.
        IsADirectoryError: If it is a folder.
    """
    return _placing.placed(target_of(path), replaces=replaces, part=part)
