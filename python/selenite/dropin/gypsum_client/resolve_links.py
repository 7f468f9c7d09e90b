"""Content of files that are links."""

from __future__ import annotations

from selenite import _core

from ._defaults import DEFAULT, CacheDir, cache, site
from ._errors import saving
from ._locks import BUCKET_CACHE_NAME
from ._version_locks import _acquire_lock, _release_lock
from .cache_directory import cache_directory
from .fetch_operations import fetch_manifest
from .rest_url import rest_url

__all__ = [
    "BUCKET_CACHE_NAME",
    "_acquire_lock",
    "_release_lock",
    "cache_directory",
    "fetch_manifest",
    "resolve_links",
    "rest_url",
]


def resolve_links(
    project: str,
    asset: str,
    version: str,
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
    url: str | None = None,
) -> bool:
    """Give the files of a cached version that are links the content of those that they lead to.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        cache_dir: Directory of the cache, by default ``cache_directory()``.
        overwrite: Replace what is cached.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        True.

    Raises:
        ValueError: If a link leads nowhere, or if its content cannot be downloaded.
        GypsumError: If there is no such version, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> from pathlib import Path
        >>> path = gypsum_client.save_version("test-R", "basic", "v2", cache, relink=False, url=url)
        >>> gypsum_client.resolve_links("test-R", "basic", "v2", cache, url=url)
        True
        >>> len(Path(f"{path}/blah.txt").read_text())
        52
    """
    with saving():
        _core.gypsum_resolve_links(
            site(url), cache(cache_dir), (project, asset, version), overwrite=overwrite
        )
    return True
