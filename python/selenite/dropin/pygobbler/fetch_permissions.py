"""Permissions of projects and assets."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from ._utils import expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from selenite._core import Permissions


def fetch_permissions(
    project: str,
    registry: str | os.PathLike[str],
    url: str | None,
    asset: str | None = None,
    force_remote: bool = False,
) -> dict[str, Any]:
    """Get the permissions of a project, or of one asset, as they are now.

    Args:
        project: Name of the project.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        asset: Name of an asset, for its own permissions instead of the project's.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        A dictionary with ``owners`` (user names), ``uploaders`` (dictionaries with ``id`` and
        possibly ``asset``, ``version``, ``until`` and ``trusted``) and, for projects, possibly
        ``global_write``. An asset without permissions of its own has no owners and no uploaders.

    Raises:
        FileNotFoundError: If the registry is read here and there is no such project.
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If a name cannot be that of a project, asset or version.
        json.JSONDecodeError: If the file is damaged; a plain ValueError if it holds other JSON.

    Example:
        >>> import pygobbler
        >>> pygobbler.fetch_permissions("test", registry, url)
        {'owners': ['alice'], 'uploaders': []}
    """
    with translated():
        path = _core.gobbler_path(project, asset) + "/..permissions"
        permissions: Permissions | None = _core.gobbler_read(
            path, registry, url, force_remote=force_remote, optional=asset is not None
        )
    if permissions is None:
        permissions = {"owners": [], "uploaders": []}
    expect(permissions, dict, "permissions")
    known: dict[str, Any] = {**permissions}
    for key in ("owners", "uploaders"):
        if known.get(key) is None:
            known[key] = []
        expect(known[key], list, key)
    return known
