"""Content of artifacts, whatever it is given as: read piece by piece, and again if need be."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._errors import TupliStorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

BLOCK = 1 << 20
# Of what can be read only once, so much stays in memory.
_SPOOLED = 8 << 20


class Source:
    """Content of a known size that can be read again.

    Attributes:
        size: Bytes in all.
    """

    def __init__(self, stream: Any) -> None:
        """Take a file, from where it stands to its end."""
        self._stream = stream
        self._start = stream.tell()
        self.size: int = stream.seek(0, os.SEEK_END) - self._start
        stream.seek(self._start)

    def blocks(self) -> Iterator[bytes | memoryview]:
        """Read all of it from the start.

        Raises:
            TupliStorageError: If it has become shorter.
        """
        left = self.size
        self._stream.seek(self._start)
        while left:
            block = self._stream.read(min(BLOCK, left))
            if not block:
                message = (
                    f"Request failed: the content lost its last {left} bytes while it was read"
                )
                raise TupliStorageError(message)
            left -= len(block)
            yield block


class _Held(Source):
    """Content that is in memory."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self.size = len(content)

    def blocks(self) -> Iterator[bytes | memoryview]:
        for start in range(0, self.size, BLOCK):
            yield self._content[start : start + BLOCK]


@contextmanager
def opened(artifact: Any) -> Iterator[Source]:
    """Open what was given as an artifact.

    Args:
        artifact: Bytes or a view of them, text, a path, or a file or anything else with ``read``.

    Yields:
        Its content.

    Raises:
        TypeError: If it is something else.
        OSError: If it cannot be read.
    """
    if isinstance(artifact, str):
        artifact = artifact.encode()
    if isinstance(artifact, os.PathLike):
        with open(artifact, "rb") as file:
            yield Source(file)
    elif hasattr(artifact, "read"):
        if _is_file(artifact):
            yield Source(artifact)
        else:
            with tempfile.SpooledTemporaryFile(max_size=_SPOOLED) as file:
                while block := artifact.read(BLOCK):
                    file.write(block.encode() if isinstance(block, str) else block)
                file.seek(0)
                yield Source(file)
    else:
        yield _Held(_view(artifact))


def _view(artifact: Any) -> memoryview:
    try:
        view = memoryview(artifact)
    except TypeError:
        message = (
            "an artifact is bytes, a memoryview, text, a path object or an open file, not "
            f"{type(artifact).__name__}"
        )
        raise TypeError(message) from None
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())


def _is_file(stream: Any) -> bool:
    """Say whether something holds bytes that can be read again."""
    if isinstance(stream, io.TextIOBase):
        return False
    try:
        return bool(stream.seekable()) and isinstance(stream.read(0), bytes)
    except (AttributeError, OSError, TypeError, ValueError):
        return False
