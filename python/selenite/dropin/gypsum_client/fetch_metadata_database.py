"""Databases of metadata."""

from __future__ import annotations

import os

from selenite import _core
from selenite._arguments import path_text
from selenite._placing import placed

from ._defaults import DEFAULT, CacheDir, base_of, optional_cache
from ._errors import translated
from ._locks import fresh, locked, place
from ._reading import _download_and_rename_file, _is_page
from .cache_directory import cache_directory
from .config import REQUESTS_MOD

__all__ = [
    "LAST_CHECK",
    "REQUESTS_MOD",
    "cache_directory",
    "fetch_metadata_database",
    "get_current_unix_time",
    "get_last_modified_date",
]

#: When the databases were last looked up and last changed, both in milliseconds since 1970.
LAST_CHECK: dict[str, float | None] = {"req_time": None, "mod_time": None}

_BASE = "https://github.com/ArtifactDB/bioconductor-metadata-index/releases/download/latest/"
_HOUR_MILLISECONDS = 3600 * 1000


def get_current_unix_time() -> float:
    """Get the present time.

    Returns:
        Milliseconds since 1970.

    Example:
        >>> get_current_unix_time() > 1e12
        True
    """
    import time

    return time.time() * 1000


def get_last_modified_date(base_url: str) -> float:
    """Ask when the databases last changed.

    Args:
        base_url: Where they are.

    Returns:
        Milliseconds since 1970.

    Raises:
        GypsumError: If that cannot be found out, or if the answer is no time.

    Example:
        >>> get_last_modified_date(metadata)
        1700000000000.0
    """
    place = (f"{base_of(base_url)}/modified", REQUESTS_MOD.get("verify", True))
    with translated("Failed to look up the time of the last change"):
        return _core.gypsum_number(place)


def fetch_metadata_database(
    name: str | os.PathLike[str] = "bioconductor.sqlite3",
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
) -> str:
    """Fetch the database that ``search_metadata_text`` searches.

    A cached one is used as long as it has not changed, which is looked up once an hour at most.

    Args:
        name: Name of the database. The environment variable ``GYPSUM_METADATA_DB_URL`` says where
            databases are, if not at the public place.
        cache_dir: Directory of the cache, by default ``cache_directory()``; None for a fresh
            temporary file.
        overwrite: Fetch it again if it is cached.

    Returns:
        Path of the database.

    Raises:
        ValueError: If the name leads out of the cache.
        GypsumError: If there is no such database, if it cannot be reached, or if what comes is
            something else. If only the look-up fails, a cached database is used, with a warning.

    Example:
        >>> import gypsum_client
        >>> path = gypsum_client.fetch_metadata_database(cache_dir=cache)
        >>> path.endswith("databases/bioconductor.sqlite3")
        True
    """
    base = base_of(os.environ.get("GYPSUM_METADATA_DB_URL") or _BASE)
    cache = optional_cache(cache_dir)
    name = path_text(name, "name")
    if cache is None:
        with fresh(".sqlite3") as path:
            _download_and_rename_file(f"{base}/{name}", path, form="database")
        return path
    path = place(cache, "databases", name)
    if not overwrite and _is_current(path, base):
        return path
    with locked(path):
        # Another process may have been faster.
        if overwrite or not _is_current(path, base):
            _download(path, base, name)
    return path


def _is_current(path: str, base: str) -> bool:
    """Say whether what is cached is to be used."""
    if not os.path.exists(path) or _is_page(path, b"{"):
        return False
    now = get_current_unix_time()
    asked = LAST_CHECK["req_time"]
    if asked is None or asked + _HOUR_MILLISECONDS < now:
        try:
            LAST_CHECK["mod_time"] = get_last_modified_date(base)
        except Exception as error:
            import warnings

            message = f"Failed to check the last modified timestamp: {error}"
            warnings.warn(message, UserWarning, stacklevel=3)
            return True
        LAST_CHECK["req_time"] = now
    try:
        with open(path + ".modified", encoding="utf-8") as file:
            return float(file.read()) == LAST_CHECK["mod_time"]
    except (FileNotFoundError, ValueError):
        return False


def _download(path: str, base: str, name: str) -> None:
    # Asked first: a database that changes meanwhile is fetched again next time.
    modified = get_last_modified_date(base)
    _download_and_rename_file(f"{base}/{name}", path, form="database")
    with placed(path + ".modified") as file:
        file.write(f"{modified:.0f}".encode())
    LAST_CHECK["req_time"] = float(get_current_unix_time())
    LAST_CHECK["mod_time"] = modified
