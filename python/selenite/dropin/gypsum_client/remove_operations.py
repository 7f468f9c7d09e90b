"""Removal of projects, assets and versions."""

from __future__ import annotations

from ._changes import change
from ._forms import _remove_slash_url
from .auth import access_token
from .rest_url import rest_url

__all__ = [
    "_remove_slash_url",
    "access_token",
    "remove_asset",
    "remove_project",
    "remove_version",
    "rest_url",
    "unlock_project",
]


def remove_project(project: str, url: str | None = None, token: str | None = None) -> bool:
    """Remove a project with everything in it. Only administrators may.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Returns:
        True.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.remove_project("test-Py", url=url, token=token)
        True
    """
    return _remove([project], url, token)


def remove_asset(
    project: str, asset: str, url: str | None = None, token: str | None = None
) -> bool:
    """Remove an asset with everything in it. Only administrators may.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Returns:
        True.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.remove_asset("test-R", "basic", url=url, token=token)
        True
    """
    return _remove([project, asset], url, token)


def remove_version(
    project: str, asset: str, version: str, url: str | None = None, token: str | None = None
) -> bool:
    """Remove a version. Only administrators may.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Returns:
        True.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.remove_version("test-R", "basic", "v3", url=url, token=token)
        True
    """
    return _remove([project, asset, version], url, token)


def _remove(names: list[str], url: str | None, token: str | None) -> bool:
    what = "Failed to remove assets in the project"
    change("DELETE", "remove", names, url, token, what)
    return True


def _request_removal(suffix: str, url: str | None, token: str | None) -> bool:
    """Remove what a path of quoted names says."""
    from urllib.parse import unquote

    return _remove([unquote(name) for name in suffix.strip("/").split("/")], url, token)


def unlock_project(project: str, url: str | None = None, token: str | None = None) -> None:
    """Unlock a project after an upload that was neither completed nor aborted.

    Only administrators may.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.unlock_project("test-R", url=url, token=token)
    """
    change("DELETE", "unlock", [project], url, token, "Failed to unlock the project")
