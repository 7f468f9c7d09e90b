"""Copies of versions that take no space."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from .fetch_manifest import fetch_manifest

__all__ = ["clone_version", "fetch_manifest"]


def clone_version(
    project: str,
    asset: str,
    version: str,
    destination: str | os.PathLike[str],
    registry: str | os.PathLike[str],
) -> None:
    """Make a directory of links to the files of a version.

    Change what is to be different (replace links, do not write through them) and upload it as a new
    version: what stayed a link takes no space in the registry.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        destination: Directory for the links; made with its parents if it does not exist.
        registry: Directory of the registry, which must be readable here.

    Raises:
        FileNotFoundError: If there is no such version.
        FileExistsError: If one of the links, or something of its name, exists; nothing is made.
        ValueError: If a name cannot be that of a project, asset or version, or if the manifest
            holds a path that would leave the destination.
        json.JSONDecodeError: If the manifest is damaged.

    Example:
        >>> import pygobbler
        >>> pygobbler.clone_version("test", "simple", "v1", "work", registry)
    """
    with translated():
        _core.gobbler_clone(project, asset, version, destination, registry)
