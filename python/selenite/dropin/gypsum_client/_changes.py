"""Changes that a service is asked for."""

from __future__ import annotations

from selenite import _core

from ._defaults import site
from ._errors import translated
from .auth import _bearer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def change(
    method: str,
    endpoint: str,
    parameters: list[str],
    url: str | None,
    token: str | None,
    what: str,
    body: object = None,
    end: str = "",
) -> Any:
    """Ask a service for a change.

    Args:
        method: HTTP method.
        endpoint: Name of the endpoint.
        parameters: Further components of the path, unquoted.
        url: URL of the service, None for the default.
        token: Access token, None for the default.
        what: What fails, for messages.
        body: JSON to send, if any.
        end: What ends messages.

    Returns:
        The answer, None if it is empty.
    """
    import json

    text = "" if body is None else json.dumps(body)
    with translated(what, end):
        answer = _core.gypsum_request(
            site(url), method, endpoint, parameters, _bearer(token), text, None
        )
    return answer[1]
