"""Records that a service works out again."""

from __future__ import annotations

from ._changes import change
from ._errors import checked
from ._forms import _remove_slash_url
from .auth import access_token
from .rest_url import rest_url

__all__ = ["_remove_slash_url", "access_token", "refresh_latest", "refresh_usage", "rest_url"]


def refresh_latest(
    project: str, asset: str, url: str | None = None, token: str | None = None
) -> str | None:
    """Find out again which version of an asset is the latest. Only administrators may.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Returns:
        Name of the version; None if the asset has none.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.refresh_latest("test-R", "basic", url=url, token=token)
        'v3'
    """
    what = "Failed to refresh latest version"
    answer = change("POST", "refresh/latest", [project, asset], url, token, what)
    if answer is None or checked(answer, what).get("version") is None:
        return None
    version: str = checked(answer, what, version=str)["version"]
    return version


def refresh_usage(project: str, url: str | None = None, token: str | None = None) -> int:
    """Count again how much a project holds. Only administrators may.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Returns:
        Size of all its files in bytes.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.refresh_usage("test-R", url=url, token=token)
        73
    """
    what = "Failed to refresh quota usage"
    answer = change("POST", "refresh/usage", [project], url, token, what)
    total: int = checked(answer, what, total=int)["total"]
    return total
