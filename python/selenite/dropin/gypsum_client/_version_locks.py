"""Versions that one process saves at a time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

#: Versions that this process has locked by :func:`_acquire_lock`.
IS_LOCKED: dict[str, dict[str, IO[bytes]]] = {"locks": {}}
# What a child inherits is locked by its parent.
os.register_at_fork(after_in_child=IS_LOCKED["locks"].clear)


def _acquire_lock(cache: str, project: str, asset: str, version: str) -> None:
    """Keep other processes from saving a version until :func:`_release_lock`."""
    from selenite._locks import lock

    key = f"{project}/{asset}/{version}"
    if key in IS_LOCKED["locks"]:
        return
    folder = os.path.join(cache, "status", project, asset, version)
    os.makedirs(folder, exist_ok=True)
    IS_LOCKED["locks"][key] = lock(os.path.join(folder, "LOCK"))


def _release_lock(project: str, asset: str, version: str) -> None:
    """Undo :func:`_acquire_lock`; without it, do nothing."""
    file = IS_LOCKED["locks"].pop(f"{project}/{asset}/{version}", None)
    if file is not None:
        from selenite._locks import unlock

        unlock(file)
