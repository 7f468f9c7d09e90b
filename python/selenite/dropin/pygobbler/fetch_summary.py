"""Summaries of versions."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fetch_summary(
    project: str,
    asset: str,
    version: str,
    registry: str | os.PathLike[str],
    url: str | None,
    cache: str | os.PathLike[str] | None = None,
    force_remote: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Get the summary of a version: who uploaded it and when.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        cache: Directory for what is fetched from the service, by default the user's data directory
            for the Gobbler.
        force_remote: Ask the service even if the registry can be read here.
        overwrite: Fetch again what is in the cache.

    Returns:
        A dictionary with ``upload_user_id``, ``upload_start`` and ``upload_finish`` (RFC 3339),
        and ``on_probation``, which is there and True only while the version is on probation.

    Raises:
        FileNotFoundError: If the registry is read here and there is no such version.
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If a name cannot be that of a project, asset or version.
        json.JSONDecodeError: If the summary is damaged.

    Example:
        >>> import pygobbler
        >>> summary = pygobbler.fetch_summary("test", "simple", "v1", registry, url)
        >>> sorted(summary)
        ['upload_finish', 'upload_start', 'upload_user_id']
    """
    with translated():
        path = _core.gobbler_path(project, asset, version) + "/..summary"
        file = _core.gobbler_fetch(
            path,
            registry,
            url,
            cache,
            1,
            None,
            force_remote=force_remote,
            overwrite=overwrite,
            is_directory=False,
        )
        summary: dict[str, Any] = _core.read_json(file)
    return summary
