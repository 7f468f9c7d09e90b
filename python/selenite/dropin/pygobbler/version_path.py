"""Paths of whole versions."""

from __future__ import annotations

from selenite import _core

from ._errors import translated
from .fetch_directory import fetch_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def version_path(project: str, asset: str, version: str, **kwargs: Any) -> str:
    """Make sure that a version can be read, and say where.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        **kwargs: Passed on to ``fetch_directory``: ``registry`` and ``url``, and further ones.

    Returns:
        Path of the version's directory in the registry, or in the cache.

    Raises:
        ValueError: If a name cannot be that of a project, asset or version.
        requests.HTTPError: As for ``fetch_directory``.

    Example:
        >>> import pygobbler
        >>> path = pygobbler.version_path("test", "simple", "v1", registry=registry, url=url)
        >>> path == f"{registry}/test/simple/v1"
        True
    """
    with translated():
        path = _core.gobbler_path(project, asset, version)
    return fetch_directory(path, **kwargs)
