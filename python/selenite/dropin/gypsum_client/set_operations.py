"""Changes of permissions and quotas."""

from __future__ import annotations

from selenite._arguments import listed

from ._changes import change
from ._forms import _remove_slash_url, _sanitize_uploaders
from .auth import access_token
from .fetch_operations import fetch_permissions
from .rest_url import rest_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from selenite._arguments import _Uploaders

__all__ = [
    "_remove_slash_url",
    "_sanitize_uploaders",
    "access_token",
    "fetch_permissions",
    "rest_url",
    "set_permissions",
    "set_quota",
]


def set_quota(
    project: str,
    baseline: float | None = None,
    growth_rate: float | None = None,
    year: int | None = None,
    url: str | None = None,
    token: str | None = None,
    *,
    growth: float | None = None,
) -> None:
    """Change how much a project may hold. Only administrators may.

    Args:
        project: Name of the project.
        baseline: Bytes that the project may hold; None to change nothing.
        growth_rate: Bytes by which that grows each year; None to change nothing.
        year: From when on it grows; None to change nothing.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.
        growth: Another name of ``growth_rate``.

    Raises:
        TypeError: If both ``growth_rate`` and ``growth`` are given.
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.set_quota("test-R", baseline=1234, url=url, token=token)
        >>> gypsum_client.fetch_quota("test-R", url=url)["baseline"]
        1234
    """
    if growth is not None:
        if growth_rate is not None:
            message = "set_quota() takes `growth_rate` or `growth`, not both"
            raise TypeError(message)
        growth_rate = growth
    quota = {"baseline": baseline, "growth_rate": growth_rate, "year": year}
    given = {name: value for name, value in quota.items() if value is not None}
    change("PUT", "quota", [project], url, token, "Failed to set quota", given, ".")


def set_permissions(
    project: str,
    owners: str | Iterable[str] | None = None,
    uploaders: _Uploaders | None = None,
    append: bool = True,
    url: str | None = None,
    token: str | None = None,
) -> None:
    """Change the permissions of a project. Only its owners and administrators may.

    Args:
        project: Name of the project.
        owners: Names of owners, users or organizations, or one of them; None to change nothing.
        uploaders: Who may upload besides, as for ``create_project``; None to change nothing.
        append: Add to those that there are, instead of replacing them.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Raises:
        TypeError: If owners, uploaders or a time are something else.
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.set_permissions("test-R", owners="bob", url=url, token=token)
        >>> gypsum_client.fetch_permissions("test-R", url=url)["owners"]
        ['alice', 'bob']
    """
    body: dict[str, Any] = {}
    if owners is not None:
        body["owners"] = listed(owners, "owners")
    if uploaders is not None:
        body["uploaders"] = _sanitize_uploaders(uploaders)
    if append and body:
        old = fetch_permissions(project, url=url)
        body = {name: [*(old.get(name) or []), *added] for name, added in body.items()}
    if "owners" in body:
        body["owners"] = list(dict.fromkeys(body["owners"]))
    if "uploaders" in body:
        body["uploaders"] = _sanitize_uploaders(body["uploaders"])
    what = "Failed to set permissions"
    change("PUT", "permissions", [project], url, token, what, body, ".")
