"""The exceptions of selenite's core.

    SeleniteError
    ├── StatusError          a server answered with an error status
    ├── TransportError       no answer: refused, reset, TLS trouble
    │   └── TransportTimeout     no answer in time (also a TimeoutError)
    ├── DigestError          content differs from its manifest (also a ValueError)
    ├── FormError            content that is not of the form it should have (also a ValueError)
    ├── UnfinishedError      a version whose files are not all there (also a ValueError)
    ├── UnsafePathError      a path that would leave its root (also a ValueError)
    ├── InvalidArgumentError an argument that cannot be used (also a ValueError)
    ├── RegistryError        a change of a registry was refused
    ├── NotFoundError        nothing of that name in a registry (also a FileNotFoundError)
    ├── AlreadyExistsError   a version of that name is there (also a FileExistsError)
    ├── PermissionDeniedError    the user may not do that (also a PermissionError)
    └── OfflineError         not at hand, and requests are forbidden (also a ConnectionError)

Failing system calls raise ``OSError`` and its subclasses; a document that is not JSON raises
``json.JSONDecodeError``.

    SeleniteWarning
    └── LeftOutWarning       a part of the data does not go where the rest goes
"""

from __future__ import annotations

import json

from selenite._portable import Portable


class SeleniteError(Portable, Exception):
    """Base of all exceptions that selenite defines.

    Attributes:
        address: What was asked for, None if that is not known.
        url: URL of the request or of the service, without credentials; None if nobody was asked.
        status: HTTP status of the answer, or the one that a service answers in this case; None if
            there is none.
        reason: The server's own words, None if there are none.
        hint: What may be done about it, None if nothing comes to mind.
    """

    address: str | None = None
    url: str | None = None
    status: int | None = None
    reason: str | None = None
    hint: str | None = None


class SeleniteWarning(Portable, UserWarning):
    """Base of all warnings that selenite defines."""


class LeftOutWarning(SeleniteWarning):
    """A part of the data does not go where the rest goes.

    Attributes:
        paths: Paths of what is left out, relative to the directory of the call.
    """

    def __init__(self, message: str, paths: list[str]) -> None:
        """Keep the paths."""
        super().__init__(message)
        self.paths = paths


class StatusError(SeleniteError):
    """A server answered with an error status.

    Attributes:
        method: HTTP method of the request.
        url: URL of the request, without credentials.
        status: HTTP status code.
        reason: The server's own words.
        headers: Response headers as (name, value) pairs.
        body: Text of the answer.
    """

    def __init__(
        self,
        message: str,
        method: str,
        url: str,
        status: int,
        reason: str,
        headers: list[tuple[str, str]],
        body: str,
    ) -> None:
        """Keep the facts of the answer."""
        super().__init__(message)
        self.method = method
        self.url: str = url
        self.status: int = status
        self.reason: str = reason
        self.headers = headers
        self.body = body


class TransportError(SeleniteError):
    """No answer, or a broken one.

    Attributes:
        url: URL of the request, without credentials.
        errno: Number of the system error that is behind it, None if there is none.
    """

    def __init__(self, message: str, url: str, errno: int | None = None) -> None:
        """Keep the URL and the number."""
        super().__init__(message)
        self.url: str = url
        self.errno = errno


class TransportTimeout(TransportError, TimeoutError):
    """No answer in time.

    Attributes:
        limit: The limit that was exceeded, in seconds.
        connecting: True if no connection could be made in time.
    """

    def __init__(
        self, message: str, url: str, errno: int | None, limit: float, connecting: bool
    ) -> None:
        """Keep the limit."""
        super().__init__(message, url, errno)
        self.limit = limit
        self.connecting = connecting


class DigestError(SeleniteError, ValueError):
    """Content differs from what its manifest or its source says.

    Attributes:
        path: The file concerned.
        what: ``"size"`` or ``"MD5 checksum"``.
        expected: What the manifest or the source says.
        actual: What was found.
    """

    def __init__(self, message: str, path: str, what: str, expected: str, actual: str) -> None:
        """Keep both values."""
        super().__init__(message)
        self.path = path
        self.what = what
        self.expected = expected
        self.actual = actual


class FormError(SeleniteError, ValueError):
    """Content that is not of the form that it should have.

    Attributes:
        origin: URL of the content.
    """

    def __init__(self, message: str, origin: str) -> None:
        """Keep the origin."""
        super().__init__(message)
        self.origin = origin


class UnfinishedError(SeleniteError, ValueError):
    """A version whose upload is under way or was left, and whose files are not all there.

    Attributes:
        version: The version, as ``project/asset/version``.
    """

    def __init__(self, message: str, version: str) -> None:
        """Keep the version."""
        super().__init__(message)
        self.version = version


class UnsafePathError(SeleniteError, ValueError):
    """A path that would leave its root, or cannot exist in a registry.

    Attributes:
        path: The path as it was given.
    """

    def __init__(self, message: str, path: str) -> None:
        """Keep the path."""
        super().__init__(message)
        self.path = path


class InvalidArgumentError(SeleniteError, ValueError):
    """An argument that cannot be used.

    Attributes:
        argument: Name of the argument.
        value: Its value, as text.
    """

    def __init__(self, message: str, argument: str, value: str) -> None:
        """Keep the argument's name and value."""
        super().__init__(message)
        self.argument = argument
        self.value = value


class RegistryError(SeleniteError):
    """A change of a registry was refused or failed.

    Attributes:
        status: The HTTP status that a service answers in this case.
        details: All faults that were found, if several were looked for.
    """

    def __init__(self, message: str, status: int, details: list[str]) -> None:
        """Keep the status and the faults."""
        super().__init__(message)
        self.status: int = status
        self.details = details


class _Described(SeleniteError):
    """An exception that is made with its facts."""

    def __init__(
        self,
        message: str,
        *,
        address: str | None = None,
        url: str | None = None,
        status: int | None = None,
        reason: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Keep the facts."""
        super().__init__(message)
        self.address = address
        self.url = url
        self.status = status
        self.reason = reason
        self.hint = hint


class NotFoundError(_Described, FileNotFoundError):
    """There is no such project, asset, version or file."""


class AlreadyExistsError(_Described, FileExistsError):
    """There is a version of that name, and versions never change."""


class PermissionDeniedError(_Described, PermissionError):
    """The user may not do that, or it is not known who the user is."""


class OfflineError(_Described, ConnectionError):
    """What is wanted is not on this machine, and all requests are forbidden."""


class DocumentError(Portable, json.JSONDecodeError):
    """A document that is not JSON.

    Attributes:
        origin: File or URL of the document.
    """

    def __init__(self, msg: str, doc: str, pos: int, origin: str = "") -> None:
        """Keep the origin."""
        super().__init__(msg, doc, pos)
        self.origin = origin


def json_error(message: str, origin: str, text: str, start: str | None = None) -> DocumentError:
    """Make the exception that Python's own parser raises for a document.

    Args:
        message: The core's message, used if Python's parser accepts the text.
        origin: File or URL of the document.
        text: The document.
        start: How it begins, None if it may hold a secret.

    Returns:
        The exception, its message naming the origin.
    """
    shown = (
        "" if start is None else f", which begins with {start!r}" if start else ", which is empty"
    )
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return DocumentError(f"{error.msg} in {origin}{shown}", error.doc, error.pos, origin)
    return DocumentError(message + shown, text, 0, origin)


# In the words of the originals, which scripts look for.
_REFUSALS = {
    "absent": "'{}' does not exist in the bucket.",
    "link-mode": "Invalid value for 'links': {}. Must be one of ['auto', 'always', 'never'].",
    "link-to-folder": "Cannot upload symbolic link to a directory '{}'.",
    "link-outside": "Failed to convert symlink '{}' to an upload link.",
    "dangling": "Cannot use a dangling link to '{}' as a regular upload.",
    "method": "unknown upload method '{}' for file '{}'",
}


def refused(kind: str, about: list[str]) -> ValueError:
    """Make the exception for something that the caller cannot have.

    Args:
        kind: The core's name for the kind of refusal.
        about: What it is about.

    Returns:
        The exception.
    """
    return ValueError(_REFUSALS[kind].format(*about))
