"""A lock for what belongs to a process."""

from __future__ import annotations

import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class ProcessLock:
    """A lock between the threads of one process, which may take it again while they hold it.

    A child made by ``fork`` has another one: the thread that holds this one is not there.
    """

    def __init__(self) -> None:
        """Make it, open."""
        self._of_process: dict[int, RLock] = {}

    def __enter__(self) -> None:
        """Wait for it."""
        self._of_process.setdefault(os.getpid(), RLock()).acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Open it."""
        self._of_process[os.getpid()].release()
