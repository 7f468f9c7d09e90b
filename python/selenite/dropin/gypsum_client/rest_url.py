"""Which service is used."""

from __future__ import annotations

import os

from selenite._gypsum import PUBLIC_URL


def rest_url(url: str | None = None) -> str:
    """Get or set the URL of the service that is used where no other is named.

    Args:
        url: URL of a service, to be used from now on; None to change nothing.

    Returns:
        The URL that is used now. At first it is that of the environment variable
        ``GYPSUM_REST_URL``, or of the public service.

    Example:
        >>> import gypsum_client
        >>> old = gypsum_client.rest_url()
        >>> gypsum_client.rest_url("http://localhost:8080")
        'http://localhost:8080'
        >>> gypsum_client.rest_url(old) == old
        True
    """
    state = globals()
    if url is not None:
        state["CURRENT_REST_URL"] = url
    elif "CURRENT_REST_URL" not in state:
        state["CURRENT_REST_URL"] = os.environ.get("GYPSUM_REST_URL") or PUBLIC_URL
    current: str = state["CURRENT_REST_URL"]
    return current


def __getattr__(name: str) -> str:
    """Fix the initial value when it is first looked at."""
    if name == "CURRENT_REST_URL":
        return rest_url()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
