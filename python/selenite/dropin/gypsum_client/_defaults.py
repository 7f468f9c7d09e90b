"""Arguments that were not given, resolved when a function is called."""

from __future__ import annotations

import os

from .cache_directory import cache_directory
from .config import REQUESTS_MOD
from .rest_url import rest_url


class Default:
    """Stands for the directory that ``cache_directory()`` gives when the function is called."""

    def __repr__(self) -> str:
        """Show what it stands for."""
        return "cache_directory()"


DEFAULT = Default()

#: A directory, None where that has a meaning of its own, or the default.
CacheDir = str | os.PathLike[str] | None | Default


def base_of(url: str) -> str:
    """The URL to which paths are appended: no slash at its end, nothing blank around it."""
    return url.strip().rstrip("/")


def site(url: str | None) -> tuple[str, bool | str]:
    """Say which service is meant, and whose certificates are believed."""
    return base_of(rest_url() if url is None else url), REQUESTS_MOD.get("verify", True)


def cache(cache_dir: CacheDir) -> str:
    """Say which directory is meant, where None means the default too."""
    return optional_cache(cache_dir) or cache_directory()


def optional_cache(cache_dir: CacheDir) -> str | None:
    """Say which directory is meant, None for none."""
    if isinstance(cache_dir, Default):
        return cache_directory()
    return None if cache_dir is None else os.fspath(cache_dir)
