"""Progress of long calls: a bar on terminals and in notebooks, lines elsewhere, or a callback."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Protocol, TypeAlias, cast

from selenite._display import size_text
from selenite._needing import needing
from selenite._settings import is_log_wanted, progress_mode
from selenite._terminal import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tqdm import tqdm

_CALLBACK_SECONDS = 0.1
_BAR_DELAY_SECONDS = 1.0
_LOG_SECONDS = 30.0
_LINE_SECONDS = 10.0
_NOTEBOOK_SECONDS = 0.5
# What terminals without a size are thought to have.
_COLUMNS, _LINES = 80, 24


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
        elapsed: Seconds since the call began.
    """

    kind: Literal["start", "advance", "file_done", "done", "error"]
    task: str
    path: str
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    elapsed: float = 0.0


class _Listener(Protocol):
    """What ``fsspec`` calls a callback."""

    def set_size(self, size: int) -> Any: ...  # noqa: ANN401 (theirs)
    def relative_update(self, inc: int = 1) -> Any: ...  # noqa: ANN401 (theirs)


_Target: TypeAlias = "bool | Callable[[ProgressEvent], object] | _Listener | None"
_default: _Target = None
_local = threading.local()


def set_progress(target: _Target) -> None:
    """Choose how all later calls report progress.

    Args:
        target: A function that is called with each ``ProgressEvent``, at most ten times a second
            and from the thread that made the call; an exception that it raises cancels the call.
            A callback of ``fsspec``, which is told bytes. True for a bar where somebody sees it and
            for lines elsewhere, False for nothing, None for what ``SELENITE_PROGRESS`` says.

    Example:
        >>> import selenite
        >>> selenite.set_progress(False)
        >>> selenite.set_progress(None)
    """
    global _default
    _default = target


@contextmanager
def progress(target: _Target) -> Iterator[None]:
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
    stack = _stack()
    stack.append(target)
    try:
        yield
    finally:
        stack.pop()


def _stack() -> list[_Target]:
    if not hasattr(_local, "stack"):
        _local.stack = []
    stack: list[_Target] = _local.stack
    return stack


@contextmanager
def tracking(task: str, path: object) -> Iterator[Callable[..., None] | None]:
    """Report the progress of one call to whoever wants to know, and tell the log of its end.

    Args:
        task: Name of the function.
        path: What it is about.

    Yields:
        A function for the core to call with bytes done, bytes in all, files done, files in all and
        repeated requests; None if nobody wants to know.
    """
    reporter, stop = _reporter(task, str(path)), current_stop()
    if reporter is None and stop is None and not _is_recorded():
        yield None
        return
    call = _Call(task, str(path), reporter or _Reporter())

    def update(*counts: int) -> None:
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        call.update(*counts)

    call.begin()
    try:
        yield update
    except BaseException:
        # Why the call failed matters more than why that could not be told.
        with suppress(Exception):
            call.end("error")
        raise
    call.end("done")


def current_stop() -> threading.Event | None:
    """Give what `stopping` has said of this thread."""
    stop: threading.Event | None = getattr(_local, "stop", None)
    return stop


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Let an event end calls of this thread, which is not the one that gets signals.

    Args:
        stop: Once it is set, calls that are tracked raise ``KeyboardInterrupt``.

    Yields:
        Nothing.
    """
    before = current_stop()
    _local.stop = stop
    try:
        yield
    finally:
        _local.stop = before


def _reporter(task: str, path: str) -> _Reporter | None:
    stack = _stack()
    target = stack[-1] if stack else _default
    if target is None:
        target = progress_mode()
    if target is False:
        return None
    if hasattr(target, "relative_update") and hasattr(target, "set_size"):
        return _Told(cast("_Listener", target))
    if callable(target):
        return _Callback(target, task, path)
    return _Display(task, forced=target is True)


def _is_recorded() -> bool:
    """Say whether the end of a call is told to a log."""
    if is_log_wanted():
        return True
    logging: Any = sys.modules.get("logging")
    return logging is not None and bool(
        logging.getLogger("selenite.transfer").isEnabledFor(logging.INFO)
    )


class _Reporter:
    """Shows nothing."""

    def begin(self) -> None:
        """Begin the clock."""

    def update(self, *counts: int) -> None:
        """Take bytes done, bytes in all, files done and files in all."""

    def end(self, kind: Literal["done", "error"]) -> None:
        """End, for good or for ill."""


class _Call:
    """A call that is reported, and then told to the log."""

    def __init__(self, task: str, path: str, reporter: _Reporter) -> None:
        self._task = task
        self._path = path
        self._reporter = reporter
        self._counts = (0, 0, 0, 0)
        self._retries = 0
        self._began = 0.0

    def begin(self) -> None:
        self._began = time.monotonic()
        self._reporter.begin()

    def update(self, *counts: int) -> None:
        self._counts = (counts[0], counts[1], counts[2], counts[3])
        self._retries = counts[4] if len(counts) > 4 else 0
        self._reporter.update(*self._counts)

    def end(self, kind: Literal["done", "error"]) -> None:
        try:
            self._reporter.end(kind)
        finally:
            if _is_recorded():
                self._record("done" if kind == "done" else "failed")

    def _record(self, end: str) -> None:
        from selenite import _log

        seconds = time.monotonic() - self._began
        (size, _, files, _), retries = self._counts, self._retries
        _log.tell(
            f"{self._task} of {self._path} {end}: {files} files, {size} bytes in {seconds:.1f} s, "
            f"{retries} retries"
        )


class _Callback(_Reporter):
    def __init__(self, call: Callable[[ProgressEvent], object], task: str, path: str) -> None:
        self._call = call
        self._task = task
        self._path = path
        self._counts = (0, 0, 0, 0)
        self._told_counts = (0, 0, 0, 0)
        self._told_at = self._began = 0.0

    def begin(self) -> None:
        self._began = time.monotonic()
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
        elapsed = time.monotonic() - self._began
        self._call(ProgressEvent(kind, self._task, self._path, *self._counts, elapsed))


class _Told(_Reporter):
    """Tells a callback of ``fsspec``."""

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener
        self._done = self._total = 0

    def update(self, *counts: int) -> None:
        done, total = counts[0], max(counts[0], counts[1])
        if total != self._total:
            self._total = total
            self._listener.set_size(total)
        if done != self._done:
            more, self._done = done - self._done, done
            self._listener.relative_update(more)


def _warn(message: str) -> None:
    import warnings

    from selenite._exceptions import SeleniteWarning

    # Where warnings are errors, the call is to succeed all the same.
    with suppress(SeleniteWarning):
        warnings.warn(message, SeleniteWarning, stacklevel=1)


def _is_notebook() -> bool:
    """Say whether this is the kernel of a notebook, whose output a browser shows."""
    shell: Any = sys.modules.get("IPython")
    try:
        return getattr(shell.get_ipython(), "kernel", None) is not None
    except Exception:  # whatever an IPython that is half imported raises
        return False


def _has_widgets() -> bool:
    try:
        import_module("ipywidgets")
    except Exception:  # not installed, or not for this Python
        return False
    return True


class _Display(_Reporter):
    """A bar once the call has taken a second; where nobody would see it, lines now and then.

    Showing is never a reason to fail, whatever the stream, tqdm or a handler of the log raise.
    """

    def __init__(self, task: str, *, forced: bool) -> None:
        self._task = task
        self._is_notebook = _is_notebook()
        self._has_bar = self._is_notebook or is_terminal(sys.stderr)
        self._has_lines = forced and not self._has_bar
        self._bar: tqdm[NoReturn] | None = None
        # By the clock of tqdm, and by one that nobody sets.
        self._start = self._began = self._told = 0.0
        self._counts = (0, 0, 0, 0)
        self._is_told = False

    def begin(self) -> None:
        self._start = time.time()
        self._began = self._told = time.monotonic()

    def update(self, *counts: int) -> None:
        self._counts = (counts[0], counts[1], counts[2], counts[3])
        now = time.monotonic()
        try:
            if self._has_bar:
                if self._bar is not None or now - self._began >= _BAR_DELAY_SECONDS:
                    self._draw(*counts)
            elif now - self._told >= (_LINE_SECONDS if self._has_lines else _LOG_SECONDS):
                self._told = now
                self._tell()
        except Exception as error:
            self._has_bar = self._has_lines = False
            self._drop()
            if isinstance(error, ModuleNotFoundError):
                _warn(str(error))

    def _draw(self, bytes_done: int, bytes_total: int, files_done: int, files_total: int) -> None:
        if self._bar is None:
            self._bar = self._made()
        self._bar.total = max(bytes_total, bytes_done) or None
        self._bar.set_postfix_str(f"{files_done}/{files_total} files", refresh=False)
        self._bar.update(bytes_done - self._bar.n)

    def _made(self) -> tqdm[NoReturn]:
        with needing("the progress bar", "tqdm"):
            from tqdm import tqdm
        more: dict[str, Any] = {}
        kind: Any = tqdm
        if not self._is_notebook:
            more |= _size_of(sys.stderr)
        elif _has_widgets():
            from tqdm.notebook import tqdm as kind
        else:
            # There are no lines to go up to, however many bars others have.
            more = {"mininterval": _NOTEBOOK_SECONDS, "ncols": _COLUMNS, "position": 0}
        # Nothing is drawn before the counts and the clock are right.
        bar: tqdm[NoReturn] = kind(
            desc=self._task, unit="B", unit_scale=True, leave=True, delay=1e-9, **more
        )
        bar.start_t = bar.last_print_t = self._start
        return bar

    def _tell(self) -> None:
        bytes_done, bytes_total, files_done, files_total = self._counts
        self._is_told = True
        if self._has_lines:
            done, total = size_text(bytes_done), size_text(bytes_total)
            seconds = time.monotonic() - self._began
            line = f"{self._task}: {files_done} of {files_total} files, {done} of {total}"
            print(f"{line}, {seconds:.0f} s", file=sys.stderr, flush=True)
            return
        from selenite import _log

        _log.tell(
            f"{self._task}: {files_done} of {files_total} files, "
            f"{bytes_done} of {bytes_total} bytes"
        )

    def _drop(self) -> None:
        if self._bar is not None:
            self._bar.disable = True  # or it would write once more when it is collected
            self._bar = None

    def end(self, kind: Literal["done", "error"]) -> None:
        try:
            if self._bar is not None:
                self._bar.close()
            elif self._has_lines and self._is_told:
                self._tell()
        except Exception:
            self._drop()


def _size_of(stream: Any) -> Mapping[str, int]:  # noqa: ANN401 (whatever stands for stderr)
    """Give a size to a terminal that says it has none."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except Exception:  # no terminal, or a stream of somebody's own
        return {}
    return {} if size.columns and size.lines else {"ncols": _COLUMNS, "nrows": _LINES}
