"""Copies of versions that are made of links."""

from __future__ import annotations

import os

from selenite import _core

from ._defaults import DEFAULT, CacheDir, cache, site
from ._errors import saving
from ._locks import BUCKET_CACHE_NAME
from .cache_directory import cache_directory
from .fetch_operations import fetch_manifest
from .rest_url import rest_url
from .save_operations import save_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BUCKET_CACHE_NAME",
    "cache_directory",
    "clone_version",
    "fetch_manifest",
    "rest_url",
    "save_version",
]


def clone_version(
    project: str,
    asset: str,
    version: str,
    destination: str | os.PathLike[str],
    download: bool = True,
    cache_dir: CacheDir = DEFAULT,
    url: str | None = None,
    **kwargs: Any,
) -> None:
    """Make a directory of links to the cached files of a version.

    It can be changed and uploaded as the next version: what is still a link then costs nothing.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        destination: Directory to make links in. Files that have the name of a link are replaced.
        download: Make sure that the files are in the cache; links may lead nowhere otherwise.
        cache_dir: Directory of the cache, by default ``cache_directory()``.
        url: URL of the service, by default ``rest_url()``.
        **kwargs: Further arguments of ``save_version``.

    Raises:
        RuntimeError: If a link cannot be made.
        ValueError: If a path would leave the destination.
        GypsumError: If there is no such version, or if it cannot be downloaded.

    Example:
        >>> import gypsum_client
        >>> from pathlib import Path
        >>> gypsum_client.clone_version("test-R", "basic", "v1", "mine", cache_dir=cache, url=url)
        >>> len(Path("mine/blah.txt").read_text())
        52
    """
    folder = cache(cache_dir)
    if download:
        save_version(project, asset, version, cache_dir=folder, url=url, **kwargs)
    with saving():
        try:
            # Without its links, a version is not whole.
            whole = download and bool(kwargs.get("relink", True))
            _core.gypsum_clone(
                site(url), folder, (project, asset, version), destination, whole=whole
            )
        except OSError as error:
            items: list[str] = getattr(error, "items", [])
            if len(items) < 2:
                raise
            message = f"failed to create a symbolic link to '{items[0]}' at '{items[1]}'."
            raise RuntimeError(message) from error
