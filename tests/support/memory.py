"""A place for files in memory: fast, and another file system than that of the temporary ones."""

from __future__ import annotations

import os


def memory(room: int) -> str | None:
    """A folder in memory with room for so many bytes, if there is one: containers have little."""
    folder = "/dev/shm"
    if not os.access(folder, os.W_OK):
        return None
    about = os.statvfs(folder)
    return folder if about.f_bavail * about.f_frsize >= room else None
