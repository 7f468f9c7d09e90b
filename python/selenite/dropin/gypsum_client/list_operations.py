"""Lists of projects, assets, versions and files."""

from __future__ import annotations

import os

from selenite import _core

from ._defaults import site
from ._errors import translated
from ._reading import _list_for_prefix
from .config import REQUESTS_MOD
from .rest_url import rest_url

__all__ = [
    "REQUESTS_MOD",
    "list_assets",
    "list_files",
    "list_projects",
    "list_versions",
    "rest_url",
]


def list_projects(url: str | None = None) -> list[str]:
    """List the projects of a service.

    Args:
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Names of the projects.

    Raises:
        GypsumError: If the service answers with an error, or not at all.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.list_projects(url=url)
        ['test-Py', 'test-R']
    """
    return _list_for_prefix(None, url)


def list_assets(project: str, url: str | None = None) -> list[str]:
    """List the assets of a project.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Names of the assets; none for a project that does not exist.

    Raises:
        GypsumError: If the service answers with an error, or not at all.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.list_assets("test-R", url=url)
        ['basic']
    """
    return _list_for_prefix(f"{project}/", url)


def list_versions(project: str, asset: str, url: str | None = None) -> list[str]:
    """List the versions of an asset.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Names of the versions; none for an asset that does not exist.

    Raises:
        GypsumError: If the service answers with an error, or not at all.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.list_versions("test-R", "basic", url=url)
        ['v1', 'v2', 'v3']
    """
    return _list_for_prefix(f"{project}/{asset}/", url)


def list_files(
    project: str,
    asset: str,
    version: str,
    prefix: str | os.PathLike[str] | None = None,
    include_dot: bool = True,
    url: str | None = None,
) -> list[str]:
    """List the objects of a version. Files that are links have none of their own.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        prefix: List only paths that begin with this text; None for all.
        include_dot: Also list internal files, such as ``..manifest``.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Paths relative to the version; none for a version that does not exist.

    Raises:
        GypsumError: If the service answers with an error, or not at all.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.list_files("test-R", "basic", "v1", include_dot=False, url=url)
        ['blah.txt', 'foo/bar.txt']
    """
    with translated("Failed to list files in a project"):
        return _core.gypsum_list_files(
            site(url), f"{project}/{asset}/{version}/", prefix or "", include_dot=include_dot
        )
