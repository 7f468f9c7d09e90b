"""New projects."""

from __future__ import annotations

from selenite._arguments import listed

from ._changes import change
from ._forms import _remove_slash_url, _sanitize_uploaders
from .auth import access_token
from .config import REQUESTS_MOD
from .rest_url import rest_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from selenite._arguments import _Uploaders

__all__ = [
    "REQUESTS_MOD",
    "_remove_slash_url",
    "_sanitize_uploaders",
    "access_token",
    "create_project",
    "rest_url",
]


def create_project(
    project: str,
    owners: str | Iterable[str],
    uploaders: _Uploaders | None = [],  # noqa: B006 (the original's; it is never changed)
    baseline: float | None = None,
    growth_rate: float | None = None,
    year: int | None = None,
    url: str | None = None,
    token: str | None = None,
) -> None:
    """Create a project. Only administrators may.

    Args:
        project: Name of the project.
        owners: Names of the owners, users or organizations; or one of them.
        uploaders: Who may upload besides: names, or dictionaries with ``id``, and possibly
            ``asset``, ``version``, ``until`` (a ``datetime``, a ``date`` or a text by RFC 3339;
            UTC if it has no zone) and ``trusted``.
        baseline: Bytes that the project may hold, by default the service's.
        growth_rate: Bytes by which that grows each year, by default the service's.
        year: From when on it grows, by default this year.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Raises:
        TypeError: If owners, uploaders or a time are something else.
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.create_project("new", owners="alice", url=url, token=token)
    """
    quota = {"baseline": baseline, "growth_rate": growth_rate, "year": year}
    body: dict[str, Any] = {
        "permissions": {
            "owners": listed(owners, "owners"),
            "uploaders": _sanitize_uploaders(uploaders),
        }
    }
    given = {name: value for name, value in quota.items() if value is not None}
    if given:
        body["quota"] = given
    change("POST", "create", [project], url, token, "Failed to create a project", body)
