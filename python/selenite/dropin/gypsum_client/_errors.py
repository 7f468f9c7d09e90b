"""The package's exceptions, and the core's exceptions turned into them.

GypsumError
├── GypsumConnectionError    no answer, or a broken one (also an OSError)
└── GypsumContentError       content that is not what it should be (also a ValueError)
"""

from __future__ import annotations

from selenite._portable import Portable
from selenite._translating import Translating

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from selenite._exceptions import StatusError


class GypsumError(Portable, Exception):
    """A request that failed.

    Attributes:
        status_code: HTTP status of the answer, None if there was none.
        reason: The service's own words, None if there are none.
    """

    def __init__(
        self, message: str, status_code: int | None = None, reason: str | None = None
    ) -> None:
        """Keep the facts."""
        super().__init__(message)
        self.status_code = status_code
        self.reason = reason


class GypsumConnectionError(GypsumError, OSError):
    """No answer, or a broken one: refused, reset, too late.

    Attributes:
        errno: Number of the system error that is behind it, None if there is none.
    """

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        reason: str | None = None,
        errno: int | None = None,
    ) -> None:
        """Keep the facts."""
        super().__init__(message, status_code, reason)
        self.errno = errno


class GypsumContentError(GypsumError, ValueError):
    """Content that is not what it should be: another digest, no JSON, not all of a version."""


class translated(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Turn exceptions of the core into those of this package.

    Paths that would leave their directory, arguments that cannot be used, and errors of the file
    system pass as they are.
    """

    def __init__(self, what: str, end: str = "") -> None:
        """Say what fails, and what ends the message."""
        self._what = what
        self._end = end

    def _translate(self, error: BaseException) -> Exception | None:
        from selenite import _exceptions as core

        if isinstance(error, core.StatusError):
            return of_status(self._what, error, self._end)
        if isinstance(error, core.TransportError):
            return GypsumConnectionError(f"{self._what}: {error}", errno=error.errno)
        is_content = core.DocumentError | core.FormError | core.DigestError | core.UnfinishedError
        if isinstance(error, is_content):
            return GypsumContentError(f"{self._what}: {error}")
        return None


class saving(translated):  # noqa: N801 -- reads as a word of the `with` statement
    """The same for objects that are saved to the cache: messages name the object."""

    def __init__(self) -> None:
        """Say what all of them have in common."""
        super().__init__("Failed to save file from API")

    def _translate(self, error: BaseException) -> Exception | None:
        items: list[str] = getattr(error, "items", [])
        # The last one is the object, one before it is a link that leads to it.
        better = super()._translate(error)
        if better is not None and items:
            message = f"Failed to save '{items[-1]}'; {better}."
            if isinstance(better, GypsumConnectionError):
                better = GypsumConnectionError(message, errno=better.errno)
            elif isinstance(better, GypsumError):
                better = type(better)(message, better.status_code, better.reason)
        cause = better or error
        is_link = len(items) > 1 or (items and better is None and type(error) is ValueError)
        if is_link and isinstance(cause, Exception):
            return ValueError(f"Failed to resolve link for '{items[0]}': {cause}")
        return better


def hinting(error: GypsumError, hint: str) -> GypsumError:
    """Add to a message what may be done.

    Args:
        error: An exception.
        hint: What is added.

    Returns:
        The same exception.
    """
    error.args = (f"{error}; {hint}", *error.args[1:])
    return error


def of_status(what: str, error: StatusError, end: str = "") -> GypsumError:
    """Make the exception for an answer that is not a success.

    Args:
        what: What failed.
        error: The core's exception.
        end: What ends the message.

    Returns:
        The exception, to be raised by the caller.
    """
    message = f"{what}, {error.status} and reason: {error.body or error.reason}{end}"
    return GypsumError(message, error.status, error.reason)


def checked(answer: object, what: str, **fields: type) -> dict[str, Any]:
    """Make sure that an answer is an object with certain fields: no service is believed.

    Args:
        answer: What came as JSON. It is never quoted: it may hold secrets.
        what: What fails if it is something else.
        **fields: Name and type of each field that must be there.

    Returns:
        The answer.

    Raises:
        GypsumContentError: If it is something else.
    """
    if not isinstance(answer, dict):
        raise GypsumContentError(f"{what}: the answer is no JSON object ({_kind(answer)})")
    for name, kind in fields.items():
        # A number is no bool, though Python thinks otherwise.
        if not isinstance(answer.get(name), kind) or isinstance(answer[name], bool):
            wrong = _kind(answer[name]) if name in answer else "missing"
            message = f"{what}: '{name}' of the answer should be a {kind.__name__} ({wrong})"
            raise GypsumContentError(message)
    return answer


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
