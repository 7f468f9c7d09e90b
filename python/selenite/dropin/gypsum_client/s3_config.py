"""Public access to the bucket."""

from __future__ import annotations

import os

from selenite import _core

from ._defaults import CacheDir, optional_cache, site
from ._errors import GypsumError, translated
from .cache_directory import cache_directory
from .config import REQUESTS_MOD
from .rest_url import rest_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["CREDS_CACHE", "REQUESTS_MOD", "cache_directory", "public_s3_config", "rest_url"]

#: What this process knows: ``info`` holds time and credentials by directory and service.
CREDS_CACHE: dict[str, Any] = {"uncached": None, "info": {}}

_WEEK_SECONDS = 7 * 24 * 3600


def _config_cache_path(cache_dir: str) -> str:
    """Say where the credentials are kept."""
    return os.path.join(cache_dir, "credentials", "s3.json")


def public_s3_config(
    refresh: bool = False, url: str | None = None, cache_dir: CacheDir = None
) -> dict[str, Any]:
    """Get what is needed to read the bucket by the protocol of S3.

    It is kept for a week.

    Args:
        refresh: Ask the service even if it is kept.
        url: URL of the service, by default ``rest_url()``.
        cache_dir: Directory of the cache; None to keep it in memory only.

    Returns:
        A dictionary with ``endpoint``, ``bucket``, ``key`` and ``secret``.

    Raises:
        GypsumError: If the service answers with an error, or not at all.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.public_s3_config(url=url)["bucket"]
        'gypsum-local'
    """
    import json
    import time

    place = site(url)
    cache = optional_cache(cache_dir)
    key = (cache, place[0])
    known = CREDS_CACHE["info"].get(key)
    if known is None and cache is not None:
        known = _stored(_config_cache_path(cache), place[0])
    if known is None or refresh or known[0] + _WEEK_SECONDS < time.time():
        with translated("Failed to access S3 credentials"):
            _, found = _core.gypsum_request(place, "GET", "credentials/s3-api", [], None, "", None)
        if not _is_sound(found):
            message = (
                "Failed to access S3 credentials, 200 and reason: no credentials in the answer"
            )
            raise GypsumError(message, 200)
        known = (time.time(), found)
        if cache is not None:
            text = json.dumps({**found, "url": place[0]})
            _core.store_private(_config_cache_path(cache), text)
    CREDS_CACHE["info"][key] = known
    return dict(known[1])


def _stored(path: str, url: str) -> tuple[float, dict[str, Any]] | None:
    """Read credentials of this service from the disk, with their time."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
            time = os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError):
        return None
    # Other clients do not say which service they are of: it is the public one.
    if not isinstance(found, dict) or found.pop("url", "https://gypsum.artifactdb.com") != url:
        return None
    return (time, found) if _is_sound(found) else None


def _is_sound(found: object) -> bool:
    """Say whether these are credentials."""
    names = ("endpoint", "bucket", "key", "secret")
    return isinstance(found, dict) and all(isinstance(found.get(name), str) for name in names)
