"""The package's exceptions.

TupliStorageError                 whatever goes wrong
└── TupliConnectionError          nobody answers, or the connection broke (also a ConnectionError)
    └── TupliTimeoutError         no answer in time (also a TimeoutError)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLACE = f"{__package__}.storage"


class TupliStorageError(Exception):
    """Something that could not be stored, found, read or removed.

    Attributes:
        status_code: HTTP status of the answer, None if there was none.
        detail: What the service said, None if it said nothing.
        url: URL of the request, None if there was none.
    """

    __module__ = _PLACE

    status_code: int | None = None
    detail: Any = None
    url: str | None = None


class TupliConnectionError(TupliStorageError, ConnectionError):
    """Nobody answers, or the connection broke."""

    __module__ = _PLACE


class TupliTimeoutError(TupliConnectionError, TimeoutError):
    """No answer in time."""

    __module__ = _PLACE


def error_with(
    kind: type[TupliStorageError],
    text: str,
    status_code: int | None = None,
    detail: Any = None,
    url: str | None = None,
) -> TupliStorageError:
    """Make an exception with its facts.

    Args:
        kind: Its class.
        text: Its message.
        status_code: HTTP status of the answer.
        detail: What the service said.
        url: URL of the request.
    """
    error = kind(text)
    error.status_code, error.detail, error.url = status_code, detail, url
    return error
