"""Decisions about versions on probation."""

from __future__ import annotations

from ._changes import change
from ._forms import _remove_slash_url
from .auth import access_token
from .rest_url import rest_url

__all__ = ["_remove_slash_url", "access_token", "approve_probation", "reject_probation", "rest_url"]


def approve_probation(
    project: str, asset: str, version: str, url: str | None = None, token: str | None = None
) -> None:
    """Approve a version that is on probation. Only owners of the project may.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.approve_probation("test-Py", "trial", "v1", url=url, token=token)
    """
    _decide("approve", [project, asset, version], url, token)


def reject_probation(
    project: str, asset: str, version: str, url: str | None = None, token: str | None = None
) -> None:
    """Reject a version that is on probation; it is removed.

    Owners of the project may, and whoever uploaded it.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.reject_probation("test-Py", "trial", "v1", url=url, token=token)
    """
    _decide("reject", [project, asset, version], url, token)


def _decide(what: str, names: list[str], url: str | None, token: str | None) -> None:
    change("POST", f"probation/{what}", names, url, token, f"Failed to {what} probation", end=".")
