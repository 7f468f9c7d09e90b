"""Directories of a registry, and the cache for what comes from the service."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated


def fetch_directory(
    path: str | os.PathLike[str],
    registry: str | os.PathLike[str],
    url: str | None,
    cache: str | os.PathLike[str] | None = None,
    force_remote: bool = False,
    overwrite: bool = False,
    concurrent: int = 1,
) -> str:
    """Make sure that a directory of the registry can be read, and say where.

    Files that come from the service are compared with the version's manifest and kept in a cache.
    A directory that is complete there is used as it is, also if its files were changed, unless its
    version was on probation and has changed in the registry.

    Args:
        path: Path of the directory relative to the registry.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        cache: Directory for what is fetched from the service, by default the user's data directory
            for the Gobbler.
        force_remote: Ask the service even if the registry can be read here.
        overwrite: Fetch again what is in the cache, and drop what is gone from the registry.
        concurrent: Downloads at once; 1, the default, leaves the number to the client
            (``SELENITE_JOBS`` limits it).

    Returns:
        Path of the directory in the registry, whether or not it exists, or in the cache.

    Raises:
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        NotADirectoryError: If the path is that of a file, and comes from the service.
        ValueError: If the path, or a name in the service's listing, would leave the registry; or if
            content still differs from the manifest after some tries.

    Example:
        >>> import pygobbler
        >>> path = pygobbler.fetch_directory("test/simple/v1", registry, url)
        >>> path == f"{registry}/test/simple/v1"
        True
    """
    from selenite._progress import tracking

    with tracking("fetch_directory", path) as progress, translated():
        return _core.gobbler_fetch(
            path,
            registry,
            url,
            cache,
            concurrent,
            progress,
            force_remote=force_remote,
            overwrite=overwrite,
            is_directory=True,
        )


def _local_registry(cache: str | os.PathLike[str] | None, url: str) -> str:
    """Say where everything fetched from a service is kept."""
    return _core.gobbler_cache_folder(cache, url)


def _acquire_file_raw(cache: str, path: str | os.PathLike[str], url: str, overwrite: bool) -> str:
    """Fetch one file from the service to ``cache``, as ``_local_registry`` gives it."""
    with translated():
        return _core.gobbler_acquire(cache, path, url, overwrite=overwrite)


def _acquire_file(
    cache: str, path: str | os.PathLike[str], name: str, url: str, overwrite: bool
) -> str:
    """Fetch the file ``name`` in the directory ``path`` from the service."""
    return _acquire_file_raw(cache, f"{os.fspath(path)}/{name}", url, overwrite)
