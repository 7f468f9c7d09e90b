"""What is told while something is going on: messages, and progress of single files."""

from __future__ import annotations

import io
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from selenite._settings import progress_mode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Any, Protocol

    class Reporter(Protocol):
        """What shows the progress of one file; made with its label and its size."""

        reportProgress: bool

        def __enter__(self) -> Reporter: ...
        def __exit__(self, exc_type: Any, exc_value: Any, tb: Any) -> object: ...
        def update(self, chunkSize: int) -> object:
            """Tell of so many more bytes."""

    from . import GirderClient

_logger = logging.getLogger("girder_client.lib")
_local = threading.local()


class _NoopProgressReporter:
    """Shows nothing. Reporters of the same form may show something.

    Attributes:
        reportProgress: Whether anything is shown.
    """

    reportProgress = False
    __module__ = __package__

    def __init__(self, label: str = "", length: int = 0) -> None:
        """Name a file and its size."""
        self.label = label
        self.length = length

    def update(self, chunkSize: int) -> None:
        """Tell of so many more bytes."""

    def __enter__(self) -> _NoopProgressReporter:
        """Begin."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """End."""


class _ProgressBytesIO(io.BytesIO):
    """Bytes that tell a reporter how much of them is read."""

    __module__ = __package__

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the bytes, and the reporter as the keyword ``reporter``."""
        self.reporter = kwargs.pop("reporter")
        super().__init__(*args, **kwargs)

    def read(self, _size: int | None = -1) -> bytes:
        """Read, and tell of it."""
        data = super().read(_size)
        self.reporter.update(len(data))
        return data


def say(gc: GirderClient, text: str) -> None:
    """Tell the user something: on standard output, or in the log if that is wanted.

    Args:
        gc: The client.
        text: One line.
    """
    said: list[str] | None = getattr(_local, "said", None)
    if said is not None:
        said.append(text)
    elif not gc.verbose or progress_mode() is False:
        _logger.info("%s", text)
    else:
        print(text)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect what this thread says instead of saying it.

    Yields:
        The lines.
    """
    before = getattr(_local, "said", None)
    lines: list[str] = []
    _local.said = lines
    try:
        yield lines
    finally:
        _local.said = before
