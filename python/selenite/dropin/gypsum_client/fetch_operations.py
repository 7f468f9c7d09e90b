"""What a service knows of projects, assets and versions."""

from __future__ import annotations

from ._defaults import DEFAULT, CacheDir, optional_cache
from ._errors import GypsumContentError, checked
from ._forms import _cast_datetime
from ._locks import BUCKET_CACHE_NAME
from ._reading import _fetch_cacheable_json, _fetch_json
from .cache_directory import cache_directory
from .rest_url import rest_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BUCKET_CACHE_NAME",
    "cache_directory",
    "fetch_latest",
    "fetch_manifest",
    "fetch_permissions",
    "fetch_quota",
    "fetch_summary",
    "fetch_usage",
    "rest_url",
]


def fetch_latest(project: str, asset: str, url: str | None = None) -> str:
    """Get the latest version of an asset.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Name of the version.

    Raises:
        GypsumError: If there is none, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.fetch_latest("test-R", "basic", url=url)
        'v3'
    """
    path = f"{project}/{asset}/..latest"
    version: str = checked(_fetch_json(path, url), path, version=str)["version"]
    return version


def fetch_manifest(
    project: str,
    asset: str,
    version: str,
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
    url: str | None = None,
) -> dict[str, Any]:
    """Get the manifest of a version: its files with their sizes, digests and links.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        cache_dir: Directory of the cache, by default ``cache_directory()``; None for no cache.
        overwrite: Fetch it again if it is cached.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Path of each file to a dictionary with ``size`` in bytes, ``md5sum``, and, for a link to
        another file of the registry, ``link`` with ``project``, ``asset``, ``version``, ``path``
        and possibly ``ancestor``.

    Raises:
        GypsumError: If there is no such version, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> manifest = gypsum_client.fetch_manifest("test-R", "basic", "v1", cache, url=url)
        >>> manifest["blah.txt"]["size"]
        52
    """
    cache = optional_cache(cache_dir)
    manifest: dict[str, Any] = _fetch_cacheable_json(
        project, asset, version, "..manifest", cache, url, overwrite
    )
    return manifest


def fetch_summary(
    project: str,
    asset: str,
    version: str,
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
    url: str | None = None,
) -> dict[str, Any]:
    """Get the summary of a version: who uploaded it and when.

    The summary of a version that is unfinished or on probation is not kept in the cache: one that
    is there, on probation, is returned for the last time.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        cache_dir: Directory of the cache, by default ``cache_directory()``; None for no cache.
        overwrite: Fetch it again if it is cached.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        A dictionary with ``upload_user_id``, ``upload_start`` and ``upload_finish`` (``datetime``,
        UTC without a zone), and possibly ``on_probation``. An upload that is not finished has no
        ``upload_finish``.

    Raises:
        GypsumError: If there is no such version, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> summary = gypsum_client.fetch_summary("test-R", "basic", "v1", cache, url=url)
        >>> sorted(summary)
        ['upload_finish', 'upload_start', 'upload_user_id']
    """
    cache = optional_cache(cache_dir)
    found = _fetch_cacheable_json(project, asset, version, "..summary", cache, url, overwrite)
    summary = dict(checked(found, f"Failed to read '{project}/{asset}/{version}/..summary'"))
    for name in ("upload_start", "upload_finish"):
        _read_time(summary, name)
    return summary


def fetch_permissions(project: str, url: str | None = None) -> dict[str, Any]:
    """Get the permissions of a project.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        A dictionary with ``owners``, a list of names, and ``uploaders``, a list of dictionaries
        with ``id`` and possibly ``asset``, ``version``, ``until`` (``datetime``, UTC without a
        zone) and ``trusted``.

    Raises:
        GypsumError: If there is no such project, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.fetch_permissions("test-R", url=url)["owners"]
        ['alice']
    """
    path = f"{project}/..permissions"
    permissions = _fetch_json(path, url)
    if permissions.get("uploaders"):
        checked(permissions, path, uploaders=list)
        for uploader in permissions["uploaders"]:
            _read_time(checked(uploader, f"{path}, an uploader"), "until")
    return permissions


def _read_time(record: dict[str, Any], name: str) -> None:
    """Replace the text of a time, if there is one."""
    if record.get(name) is not None:
        try:
            record[name] = _cast_datetime(record[name])
        except (TypeError, ValueError) as error:
            raise GypsumContentError(f"'{name}' of the answer is no time: {error}") from error


def fetch_quota(project: str, url: str | None = None) -> dict[str, Any]:
    """Get how much a project may hold.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        A dictionary with ``baseline`` in bytes, ``growth_rate`` in bytes per year, and ``year``,
        from which on it grows.

    Raises:
        GypsumError: If there is no such project, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> sorted(gypsum_client.fetch_quota("test-R", url=url))
        ['baseline', 'growth_rate', 'year']
    """
    return _fetch_json(f"{project}/..quota", url)


def fetch_usage(project: str, url: str | None = None) -> int:
    """Get how much a project holds.

    Args:
        project: Name of the project.
        url: URL of the service, by default ``rest_url()``.

    Returns:
        Size of all its files in bytes; links count nothing.

    Raises:
        GypsumError: If there is no such project, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.fetch_usage("test-R", url=url)
        73
    """
    path = f"{project}/..usage"
    total: int = checked(_fetch_json(path, url), path, total=int)["total"]
    return total
