"""Content of artifacts, whatever it is given as: read piece by piece, and again if need be."""

from __future__ import annotations

import io
import os
import stat
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
        native: What the core takes: path, start and size of a part of a file, or bytes. None if it
            is for Python alone to read.
    """

    def __init__(self, stream: Any, path: str | os.PathLike[str] | None = None) -> None:
        """Take a file, from where it stands to its end, and its path if that is known."""
        self._stream = stream
        self._start = stream.tell()
        self.size: int = stream.seek(0, os.SEEK_END) - self._start
        stream.seek(self._start)
        path = _path(stream) if path is None else path
        self.native: Any = None if path is None else (path, self._start, self.size)

    def pass_over(self) -> None:
        """Leave the file where reading all of it does."""
        self._stream.seek(self._start + self.size)

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
        self._content = self.native = content
        self.size = len(content)

    def pass_over(self) -> None:
        pass

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
            yield Source(file, artifact)
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


def _path(stream: Any) -> str | None:
    """A path that leads to what is open here, whatever became of its name; None if none does."""
    raw = stream.raw if isinstance(stream, io.BufferedReader | io.BufferedRandom) else stream
    if not isinstance(raw, io.FileIO) or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    path = f"/proc/self/fd/{raw.fileno()}"
    return path if os.path.exists(path) else None


def _is_file(stream: Any) -> bool:
    """Say whether something holds bytes that can be read again."""
    if isinstance(stream, io.TextIOBase):
        return False
    try:
        return bool(stream.seekable()) and isinstance(stream.read(0), bytes)
    except (AttributeError, OSError, TypeError, ValueError):
        return False
