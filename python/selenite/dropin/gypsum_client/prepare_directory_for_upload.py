"""What of a directory is to be uploaded, and what is only linked to."""

from __future__ import annotations

import os

from selenite import _core

from ._defaults import DEFAULT, CacheDir, cache
from ._errors import translated
from ._forms import _sanitize_path
from ._locks import BUCKET_CACHE_NAME
from .cache_directory import cache_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BUCKET_CACHE_NAME",
    "_sanitize_path",
    "cache_directory",
    "prepare_directory_upload",
]


def prepare_directory_upload(
    directory: str | os.PathLike[str], links: str = "auto", cache_dir: CacheDir = DEFAULT
) -> dict[str, Any]:
    """Find the files of a directory, and make links of those that lead into the cache.

    Args:
        directory: Directory to upload.
        links: What becomes of symbolic links. ``"auto"``: those that lead to a file of the cache
            become links of the registry, others files. ``"always"``: all become links of the
            registry. ``"never"``: all become files.
        cache_dir: Directory of the cache, by default ``cache_directory()``.

    Returns:
        A dictionary with ``files``, a list of relative paths, and ``links``, a list of dictionaries
        with ``from.path``, ``to.project``, ``to.asset``, ``to.version`` and ``to.path``; both are
        arguments of ``start_upload``. Empty directories are left out.

    Raises:
        ValueError: If a link cannot become what it should, or leads to a directory.
        FileNotFoundError: If the directory does not exist.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.prepare_directory_upload("results", cache_dir=cache)
        {'files': ['a.txt', 'b/c.txt'], 'links': []}
    """
    with translated("Failed to prepare an upload"):
        prepared = _core.gypsum_prepare(directory, links, cache(cache_dir))
    return {"files": prepared["files"], "links": prepared["links"]}


def _normalize_and_sanitize_path(path: str) -> str:
    """Get the real path, with single slashes."""
    return _sanitize_path(os.path.realpath(path))


def _match_path_to_cache(path: str, cache: str) -> dict[str, str] | None:
    """Say which file of the registry a path in the cache stands for, if any."""
    bucket = os.path.join(_normalize_and_sanitize_path(cache), BUCKET_CACHE_NAME) + os.sep
    folder, name = os.path.split(os.path.abspath(path))
    full = os.path.join(_normalize_and_sanitize_path(folder), name)
    parts = full.removeprefix(bucket).split(os.sep, 3)
    if not full.startswith(bucket) or len(parts) < 4:
        return None
    return dict(zip(("project", "asset", "version", "path"), parts, strict=True))
