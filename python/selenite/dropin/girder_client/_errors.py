"""The package's exceptions.

AuthenticationError          a login was refused (a RuntimeError)
IncorrectUploadLengthError   a stream held other than was said (a RuntimeError)
HttpError                    an answer that is no success (a requests.HTTPError)
IncompleteResponseError      a download that is not whole (a requests.RequestException)
└── ChecksumError            a download of other content than the server has
"""

from __future__ import annotations

import requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AuthenticationError(RuntimeError):
    """A login that the server refused. What it said is in ``args``, if it said anything."""

    __module__ = __package__


class IncorrectUploadLengthError(RuntimeError):
    """A stream that held less than was said of it.

    Attributes:
        upload: The server's last word on the upload, None if nothing was sent.
    """

    __module__ = __package__

    def __init__(self, message: str, upload: dict[str, Any] | None = None) -> None:
        """Keep the upload."""
        super().__init__(message)
        self.upload = upload


class HttpError(requests.HTTPError):
    """An answer that is no success.

    Attributes:
        status: HTTP status.
        responseText: Body of the answer.
        url: URL of the request.
        method: Method of the request, as it was given.
        response: The answer.
        request: The request that was answered.
    """

    __module__ = __package__

    def __init__(
        self,
        status: int,
        text: str,
        url: str,
        method: str,
        response: requests.Response | None = None,
    ) -> None:
        """Keep the facts of the answer."""
        super().__init__(f"HTTP error {status}: {method} {url}", response=response)
        self.status = status
        self.responseText = text
        self.url = url
        self.method = method

    def __str__(self) -> str:
        """Say what failed, and what the server said."""
        return f"{super().__str__()}\nResponse text: {self.responseText}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and other processes get the same error, without its answer."""
        return type(self), (self.status, self.responseText, self.url, self.method)


class IncompleteResponseError(requests.RequestException):
    """A download that is not whole.

    Attributes:
        expected: Bytes that should have come.
        received: Bytes that came.
        response: The answer, if there was one.
    """

    __module__ = __package__

    def __init__(
        self,
        message: str,
        expected: int | None,
        received: int,
        response: requests.Response | None = None,
    ) -> None:
        """Keep the facts."""
        text = f"{message} ({received} of {expected} bytes received)"
        super().__init__(text, response=response)
        self._message = message
        self.expected = expected
        self.received = received

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and other processes get the same error, without its answer."""
        return type(self), (self._message, self.expected, self.received)


class ChecksumError(IncompleteResponseError):
    """A download of other content than the server has."""

    __module__ = __package__
