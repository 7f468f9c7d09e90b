"""Progress of long calls: a bar on terminals, a line in the log elsewhere, or a callback."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from selenite._needing import needing
from selenite._settings import progress_mode
from selenite._terminal import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tqdm import tqdm

_CALLBACK_SECONDS = 0.1
_BAR_DELAY_SECONDS = 1.0
_LOG_SECONDS = 30.0


class ProgressEvent(NamedTuple):
    """What a progress callback is told.

    Attributes:
        kind: ``start``, then any number of ``advance`` and ``file_done``, then ``done`` or
            ``error``.
        task: Name of the running function, such as ``upload_directory``.
        path: The file or directory that the call is about.
        bytes_done: Bytes moved so far.
        bytes_total: Bytes to move, 0 if nothing is known of them. Files of unknown size are
            thought to be as large as the others on average.
        files_done: Files finished so far.
        files_total: Files to move, as far as known.
    """

    kind: Literal["start", "advance", "file_done", "done", "error"]
    task: str
    path: str
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0


_default: bool | Callable[[ProgressEvent], object] | None = None
_local = threading.local()


def set_progress(target: bool | Callable[[ProgressEvent], object] | None) -> None:
    """Choose how all later calls report progress.

    Args:
        target: A function that is called with each ``ProgressEvent``, at most ten times a second
            and from the thread that made the call; an exception that it raises cancels the call.
            True for a bar, False for nothing, None for what ``SELENITE_PROGRESS`` says.

    Example:
        >>> import selenite
        >>> selenite.set_progress(False)
        >>> selenite.set_progress(None)
    """
    global _default
    _default = target


@contextmanager
def progress(target: bool | Callable[[ProgressEvent], object] | None) -> Iterator[None]:
    """Choose how calls of this thread report progress, inside of a ``with`` block.

    Args:
        target: As for ``set_progress``.

    Yields:
        Nothing.

    Example:
        >>> import selenite
        >>> events = []
        >>> with selenite.progress(events.append):
        ...     pass
    """
    stack: list[bool | Callable[[ProgressEvent], object] | None] = _stack()
    stack.append(target)
    try:
        yield
    finally:
        stack.pop()


def _stack() -> list[bool | Callable[[ProgressEvent], object] | None]:
    if not hasattr(_local, "stack"):
        _local.stack = []
    stack: list[bool | Callable[[ProgressEvent], object] | None] = _local.stack
    return stack


@contextmanager
def tracking(task: str, path: object) -> Iterator[Callable[[int, int, int, int], None] | None]:
    """Report the progress of one call to whoever wants to know.

    Args:
        task: Name of the function.
        path: What it is about.

    Yields:
        A function for the core to call with bytes done, bytes in all, files done and files in
        all; None if nobody wants to know.
    """
    stack = _stack()
    target = stack[-1] if stack else _default
    if target is None:
        target = progress_mode()
    if target is False:
        yield None
        return
    if callable(target):
        reporter: _Callback | _Display = _Callback(target, task, str(path))
    else:
        reporter = _Display(task, forced=target is True)
    reporter.begin()
    try:
        yield reporter.update
    except BaseException:
        # Why the call failed matters more than why that could not be told.
        with suppress(Exception):
            reporter.end("error")
        raise
    reporter.end("done")


class _Callback:
    def __init__(self, call: Callable[[ProgressEvent], object], task: str, path: str) -> None:
        self._call = call
        self._task = task
        self._path = path
        self._counts = (0, 0, 0, 0)
        self._told_counts = (0, 0, 0, 0)
        self._told_at = 0.0

    def begin(self) -> None:
        self._tell("start")

    def update(self, *counts: int) -> None:
        self._counts = (counts[0], counts[1], counts[2], counts[3])
        now = time.monotonic()
        if self._counts == self._told_counts or now - self._told_at < _CALLBACK_SECONDS:
            return
        self._tell("file_done" if counts[2] > self._told_counts[2] else "advance")
        self._told_at = now

    def end(self, kind: Literal["done", "error"]) -> None:
        self._tell(kind)

    def _tell(self, kind: Literal["start", "advance", "file_done", "done", "error"]) -> None:
        self._told_counts = self._counts
        self._call(ProgressEvent(kind, self._task, self._path, *self._counts))


def _warn(message: str) -> None:
    import warnings

    from selenite._exceptions import SeleniteWarning

    # Where warnings are errors, the call is to succeed all the same.
    with suppress(SeleniteWarning):
        warnings.warn(message, SeleniteWarning, stacklevel=1)


class _Display:
    """A bar once the call has taken a second, or a line in the log every half minute.

    Showing is never a reason to fail, whatever the stream, tqdm or a handler of the log raise.
    """

    def __init__(self, task: str, *, forced: bool) -> None:
        self._task = task
        self._has_bar = forced or is_terminal(sys.stderr)
        self._bar: tqdm[NoReturn] | None = None
        self._began = self._logged = 0.0

    def begin(self) -> None:
        self._began = self._logged = time.monotonic()

    def update(self, *counts: int) -> None:
        now = time.monotonic()
        try:
            if self._has_bar:
                if self._bar is not None or now - self._began >= _BAR_DELAY_SECONDS:
                    self._draw(*counts)
            elif now - self._logged >= _LOG_SECONDS:
                self._logged = now
                self._log(*counts)
        except Exception as error:
            self._has_bar = False
            self._drop()
            if isinstance(error, ModuleNotFoundError):
                _warn(str(error))

    def _draw(self, bytes_done: int, bytes_total: int, files_done: int, files_total: int) -> None:
        if self._bar is None:
            with needing("the progress bar", "tqdm"):
                from tqdm import tqdm

            self._bar = tqdm(desc=self._task, unit="B", unit_scale=True, leave=True)
        self._bar.total = max(bytes_total, bytes_done) or None
        self._bar.set_postfix_str(f"{files_done}/{files_total} files", refresh=False)
        self._bar.update(bytes_done - self._bar.n)

    def _log(self, bytes_done: int, bytes_total: int, files_done: int, files_total: int) -> None:
        import logging

        logging.getLogger("selenite.transfer").info(
            "%s: %d of %d files, %d of %d bytes",
            *(self._task, files_done, files_total, bytes_done, bytes_total),
        )

    def _drop(self) -> None:
        if self._bar is not None:
            self._bar.disable = True  # or it would write once more when it is collected
            self._bar = None

    def end(self, kind: Literal["done", "error"]) -> None:
        if self._bar is not None:
            try:
                self._bar.close()
            except Exception:
                self._drop()
