"""Directories for uploads."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated


def allocate_upload_directory(staging: str | os.PathLike[str], create: bool = True) -> str:
    """Make a new directory in the staging directory, to be filled and uploaded.

    Args:
        staging: The service's staging directory.
        create: False to find only a name, for a directory that the caller makes.

    Returns:
        Path of the directory. Its mode is 777 less the umask.

    Raises:
        FileNotFoundError: If the staging directory does not exist.
        PermissionError: If nothing may be made there.

    Example:
        >>> import pygobbler
        >>> pygobbler.allocate_upload_directory(staging).startswith(staging + "/")
        True
    """
    with translated():
        return _core.gobbler_allocate(staging, create=create)
