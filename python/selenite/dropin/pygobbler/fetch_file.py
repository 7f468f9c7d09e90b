"""Single files of a registry."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from .fetch_directory import _acquire_file_raw, _local_registry

__all__ = ["_acquire_file_raw", "_local_registry", "fetch_file"]


def fetch_file(
    path: str | os.PathLike[str],
    registry: str | os.PathLike[str],
    url: str | None,
    cache: str | os.PathLike[str] | None = None,
    force_remote: bool = False,
    overwrite: bool = False,
) -> str:
    """Make sure that a file of the registry can be read, and say where.

    A file that comes from the service is compared with the version's manifest and kept in a cache.
    A cached file is used as it is, unless its version was on probation and has changed.

    Args:
        path: Path of the file relative to the registry.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        cache: Directory for what is fetched from the service, by default the user's data directory
            for the Gobbler.
        force_remote: Ask the service even if the registry can be read here.
        overwrite: Fetch again what is in the cache.

    Returns:
        Path of the file in the registry, whether or not it exists, or in the cache.

    Raises:
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If the path would leave the registry or is that of a directory, or if the
            content still differs from the manifest after some tries.

    Example:
        >>> import pygobbler
        >>> path = pygobbler.fetch_file("test/simple/v1/a.txt", registry, url)
        >>> path == f"{registry}/test/simple/v1/a.txt"
        True
    """
    from selenite._progress import tracking

    with tracking("fetch_file", path) as progress, translated():
        return _core.gobbler_fetch(
            path,
            registry,
            url,
            cache,
            1,
            progress,
            force_remote=force_remote,
            overwrite=overwrite,
            is_directory=False,
        )
