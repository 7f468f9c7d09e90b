"""Lists of projects."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated


def list_projects(
    registry: str | os.PathLike[str], url: str | None, force_remote: bool = False
) -> list[str]:
    """List the projects of a registry.

    Args:
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        Names of the projects, sorted.

    Raises:
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.

    Example:
        >>> import pygobbler
        >>> pygobbler.list_projects(registry, url)
        ['test']
    """
    names = list_registry_directories(".", registry, url, force_remote)
    return [name for name in names if not name.startswith("..")]


def list_registry_directories(
    path: str | os.PathLike[str],
    registry: str | os.PathLike[str],
    url: str | None,
    force_remote: bool,
) -> list[str]:
    """List the directories in one directory of a registry.

    Args:
        path: Path of the directory relative to the registry; ``"."`` for the registry itself.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        Names of the directories, sorted; also of internal ones.

    Raises:
        FileNotFoundError: If the registry is read here and there is no such directory.
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If the path would leave the registry.

    Example:
        >>> list_registry_directories(".", registry, url, False)
        ['..logs', 'test']
    """
    with translated():
        return _core.gobbler_list_directories(path, registry, url, force_remote=force_remote)
