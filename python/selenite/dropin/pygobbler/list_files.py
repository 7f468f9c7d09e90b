"""Lists of files."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated


def list_files(
    project: str,
    asset: str,
    version: str,
    registry: str | os.PathLike[str],
    url: str | None,
    prefix: str | os.PathLike[str] | None = None,
    include_dotdot: bool = True,
    force_remote: bool = False,
) -> list[str]:
    """List the files of a version.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        prefix: List only paths that begin with this text; with a final ``/``, the content of that
            directory. None for all.
        include_dotdot: Also list internal files, such as ``..manifest``.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        Paths relative to the version, sorted. Links are files; directories without files are
        listed with a final ``/``. A version that does not exist has no files if the registry is
        read here; the service answers with an error.

    Raises:
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If a name cannot be that of a project, asset or version, or if the prefix would
            leave the version.

    Example:
        >>> import pygobbler
        >>> pygobbler.list_files("test", "simple", "v1", registry, url, include_dotdot=False)
        ['a.txt', 'b/c.txt']
    """
    with translated():
        return _core.gobbler_list_files(
            project,
            asset,
            version,
            registry,
            url,
            prefix,
            include_dotdot=include_dotdot,
            force_remote=force_remote,
        )
