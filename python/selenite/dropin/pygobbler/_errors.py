"""The core's exceptions as those that callers of ``requests`` expect."""

from __future__ import annotations

from selenite._translating import Translating

TYPE_CHECKING = False
if TYPE_CHECKING:
    import requests

    from selenite._exceptions import StatusError


class translated(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Turn exceptions of the core into those of ``requests``, which is imported only then.

    ==========================  ===========================================================
    ``StatusError``             ``requests.HTTPError(status, reason)``, with ``response``
    ``TransportTimeout``        ``requests.ConnectTimeout`` or ``requests.ReadTimeout``
    ``TransportError``          ``requests.ConnectionError``
    answer that is not JSON     ``requests.exceptions.JSONDecodeError``
    copy that differs           ``ValueError``
    ==========================  ===========================================================

    Everything else passes as it is. Without ``requests`` the first three are what its classes
    derive from, an ``OSError`` whose ``errno`` is the status or the system's number.
    """

    def _translate(self, error: BaseException) -> Exception | None:
        return _translated(error)


def _translated(error: BaseException) -> Exception | None:
    from selenite import _exceptions as core

    if isinstance(error, core.DigestError) and error.what.endswith("after copy"):
        message = f"mismatch in {error.what} ({error.expected} vs {error.actual})"
        return core.DigestError(message, error.path, error.what, error.expected, error.actual)
    is_answer = isinstance(error, core.DocumentError) and error.origin.startswith(
        ("http://", "https://")
    )
    if not is_answer and not isinstance(error, core.StatusError | core.TransportError):
        return None
    try:
        return _of_requests(error)
    except ModuleNotFoundError as absent:
        return _of_system(error, absent)


def _of_requests(error: BaseException) -> Exception:
    from selenite import _exceptions as core

    if isinstance(error, core.DocumentError):
        from ._json_error import JSONDecodeError

        return JSONDecodeError(error.msg, error.doc, error.pos)

    import requests

    if isinstance(error, core.StatusError):
        return requests.HTTPError(error.status, error.reason, response=_response(error))
    kind: type[requests.RequestException] = requests.ConnectionError
    if isinstance(error, core.TransportTimeout):
        kind = requests.ConnectTimeout if error.connecting else requests.ReadTimeout
    better = kind(str(error))
    better.errno = getattr(error, "errno", None)
    return better


def _of_system(error: BaseException, absent: ModuleNotFoundError) -> Exception | None:
    from selenite import _exceptions as core
    from selenite._needing import missing

    hint = f"; an exception of `requests` needs {missing('requests', absent)}"
    if isinstance(error, core.StatusError):
        return OSError(error.status, error.reason + hint)
    if isinstance(error, core.TransportError):
        kind = TimeoutError if isinstance(error, core.TransportTimeout) else ConnectionError
        better = kind(f"{error}{hint}")
        better.errno = error.errno
        return better
    return None


def _response(error: StatusError) -> requests.Response:
    import requests

    response = requests.Response()
    response.status_code = error.status
    response.url = error.url
    response.headers.update(error.headers)
    response.encoding = "utf-8"
    response._content = error.body.encode()
    return response
