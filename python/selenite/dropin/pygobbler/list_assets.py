"""Lists of assets."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from .list_projects import list_registry_directories

__all__ = ["list_assets", "list_registry_directories"]


def list_assets(
    project: str,
    registry: str | os.PathLike[str],
    url: str | None,
    force_remote: bool = False,
) -> list[str]:
    """List the assets of a project.

    Args:
        project: Name of the project.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        Names of the assets, sorted.

    Raises:
        FileNotFoundError: If the registry is read here and there is nothing of that name.
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If a name cannot be that of a project, asset or version.

    Example:
        >>> import pygobbler
        >>> pygobbler.list_assets("test", registry, url)
        ['simple']
    """
    with translated():
        path = _core.gobbler_path(project)
    return list_registry_directories(path, registry, url, force_remote)
