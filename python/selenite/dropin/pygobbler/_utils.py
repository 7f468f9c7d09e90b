"""Requests to the service, for this package and for callers with requests of their own."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import requests


def dump_request(
    staging: str | os.PathLike[str],
    url: str,
    action: str,
    payload: dict[str, Any],
    spoof: str | None = None,
) -> dict[str, Any]:
    """Write a request file to the staging directory and make the service run it.

    Args:
        staging: The service's staging directory.
        url: URL of the service.
        action: Name of the action, such as ``"create_project"``.
        payload: Fields of the request.
        spoof: User on whose behalf the request is made, if the service allows it.

    Returns:
        The service's answer. The request file is gone by then, also after an error.

    Raises:
        requests.HTTPError: If the service refuses the request; its arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> dump_request(staging, url, "delete_project", {"project": "test"})
        {'status': 'SUCCESS'}
    """
    if spoof is not None:
        payload = {**payload, "spoof": spoof}
    with translated():
        return _core.gobbler_request(staging, url, action, payload)


def expect(value: object, kind: type, what: str) -> None:
    """Check the type of a part of a document.

    Args:
        value: The part.
        kind: The type that it should have.
        what: Name of the part, for the message.

    Raises:
        ValueError: If it has another type.

    Example:
        >>> expect(36, int, "total")
    """
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"`{what}` should be of type {kind.__name__}, not {value!r:.200}")


def format_error(res: requests.Response) -> requests.HTTPError:
    """Make the exception for an answer of the service that is not a success.

    Args:
        res: The answer.

    Returns:
        The exception, to be raised by the caller; its arguments are the status and the reason.

    Example:
        >>> import requests
        >>> error = format_error(requests.get(url + "/list?path=nowhere"))
        >>> error.args[0]
        500
    """
    from selenite._needing import needing

    with needing("format_error", "requests"):
        import requests

    reason = res.text.strip()
    if res.headers.get("content-type", "").startswith("application/json"):
        answer = res.json()
        if isinstance(answer, dict):
            reason = str(answer.get("reason", reason))
    return requests.HTTPError(res.status_code, reason, response=res)
