"""Downloads of files and of whole versions."""

from __future__ import annotations

import os

from selenite import _core
from selenite._arguments import path_text

from ._defaults import DEFAULT, CacheDir, site
from ._defaults import cache as _cache
from ._errors import saving
from ._forms import _sanitize_path
from ._locks import BUCKET_CACHE_NAME
from ._reading import _save_file
from ._version_locks import _acquire_lock, _release_lock
from .cache_directory import cache_directory
from .config import REQUESTS_MOD
from .list_operations import list_files
from .resolve_links import resolve_links
from .rest_url import rest_url

__all__ = [
    "BUCKET_CACHE_NAME",
    "REQUESTS_MOD",
    "_acquire_lock",
    "_release_lock",
    "_sanitize_path",
    "_save_file",
    "cache_directory",
    "list_files",
    "resolve_links",
    "rest_url",
    "save_file",
    "save_version",
]


def save_file(
    project: str,
    asset: str,
    version: str,
    path: str | os.PathLike[str],
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
    url: str | None = None,
) -> str:
    """Make sure that a file of a version is in the cache.

    A file that is a link has the content of the file that it leads to. A file that is in the cache
    is used as it is, also if it was changed there. Files of several versions may share their
    content: changing one in place changes all of them.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        path: Path of the file inside of the version.
        cache_dir: Directory of the cache, by default ``cache_directory()``.
        overwrite: Download it again if it is cached.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Path of the file in the cache.

    Raises:
        ValueError: If there is no such file, or if the path would leave the cache.
        GypsumError: If it cannot be downloaded.

    Example:
        >>> import gypsum_client
        >>> from pathlib import Path
        >>> path = gypsum_client.save_file("test-R", "basic", "v1", "foo/bar.txt", cache, url=url)
        >>> Path(path).read_text().split()[:5]
        ['1', '2', '3', '4', '5']
    """
    with saving():
        return _core.gypsum_save_file(
            site(url),
            _cache(cache_dir),
            (project, asset, version),
            _sanitize_path(path_text(path, "path")),
            overwrite=overwrite,
        )


def save_version(
    project: str,
    asset: str,
    version: str,
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
    relink: bool = True,
    concurrent: int = 1,
    url: str | None = None,
) -> str:
    """Make sure that all files of a version are in the cache.

    Downloads are compared with the version's manifest. A version that is there as a whole is used
    as it is; one that was unfinished or on probation is looked at again.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        cache_dir: Directory of the cache, by default ``cache_directory()``.
        overwrite: Download again what is cached.
        relink: Give files that are links the content of the files that they lead to.
        concurrent: Downloads at once; 1, the default, leaves the number to the client
            (``SELENITE_JOBS`` limits it).
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Path of the version's directory in the cache.

    Raises:
        ValueError: If a link leads nowhere, or if a path would leave the cache.
        GypsumError: If there is no such version, or if it cannot be downloaded.

    Example:
        >>> import gypsum_client
        >>> from pathlib import Path
        >>> path = gypsum_client.save_version("test-R", "basic", "v3", cache, url=url)
        >>> len(Path(f"{path}/blah.txt").read_text())
        52
    """
    from selenite._progress import tracking

    names = (project, asset, version)
    with tracking("save_version", "/".join(map(str, names))) as progress, saving():
        return _core.gypsum_save_version(
            site(url),
            _cache(cache_dir),
            names,
            concurrent,
            progress,
            overwrite=overwrite,
            relink=relink,
        )


def _resolve_single_link(
    project: str,
    asset: str,
    version: str,
    path: str,
    cache: str | None,
    overwrite: bool,
    url: str | None,
) -> str:
    """Give a file that is a link the content of the file that it leads to."""
    return save_file(project, asset, version, path, cache, overwrite, url)


def _save_file_wrapper(args: tuple[str, str, str, str, str | None, bool, str | None]) -> str:
    """Make sure that a file of a version is in the cache."""
    return save_file(*args)
