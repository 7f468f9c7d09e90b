"""Changes of permissions."""

from __future__ import annotations

import os
import warnings

from selenite import _arguments

from ._utils import dump_request
from .fetch_permissions import fetch_permissions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from selenite._arguments import _Uploaders

__all__ = ["fetch_permissions", "set_permissions"]


def set_permissions(
    project: str,
    registry: str | os.PathLike[str],
    staging: str | os.PathLike[str],
    url: str,
    asset: str | None = None,
    owners: str | Iterable[str] | None = None,
    uploaders: _Uploaders | None = None,
    global_write: bool | None = None,
    append: bool = True,
    spoof: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any] | None:
    """Change the permissions of a project, or of one asset. Only owners and administrators may.

    The present permissions are read just before they are changed, but two callers who change the
    same ones at once can still undo each other's change.

    Args:
        project: Name of the project.
        registry: Directory of the registry. It is read directly if it exists here.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        asset: Name of an asset, for its own permissions instead of the project's.
        owners: Names of owners; None to leave them alone.
        uploaders: Who may upload besides: names, or dictionaries with ``id``, and possibly
            ``asset``, ``version``, ``until`` (a ``datetime`` or ``date``, UTC if it has no zone,
            or a text by RFC 3339) and ``trusted``; None to leave them alone.
        global_write: Whether every user may create new assets; None to leave it alone. Assets have
            no such permission: with ``asset`` it is ignored, with a warning.
        append: Add to the present owners and uploaders instead of replacing them. Those that are
            there already are not added again.
        spoof: User on whose behalf the request is made, if the service allows it.
        dry_run: Only say what the request would be.

    Returns:
        With ``dry_run``, the permissions that would be sent; else None.

    Raises:
        TypeError: If owners or uploaders are something else.
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist, or, with ``append`` and a
            registry that is read here, the project.

    Example:
        >>> import pygobbler
        >>> pygobbler.set_permissions(
        ...     "test", registry, staging, url, owners=["bob"], dry_run=True
        ... )
        {'owners': ['alice', 'bob']}
    """
    if asset is not None and global_write is not None:
        message = (
            f"`global_write` is ignored, as asset `{asset}` is given; it is for whole projects"
        )
        warnings.warn(message, stacklevel=2)
    permissions: dict[str, Any] = {}
    if owners is not None:
        permissions["owners"] = _arguments.listed(owners, "owners")
    if uploaders is not None:
        permissions["uploaders"] = _arguments.uploaders(uploaders)
    if append:
        present = fetch_permissions(project, registry, url, asset=asset)
        permissions = {key: _merged(present[key], added) for key, added in permissions.items()}
    if global_write is not None and asset is None:
        permissions["global_write"] = global_write
    if dry_run:
        return permissions
    payload: dict[str, Any] = {"project": project}
    if asset is not None:
        payload["asset"] = asset
    payload["permissions"] = permissions
    dump_request(staging, url, "set_permissions", payload, spoof)
    return None


def _merged(present: list[Any], added: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for entry in [*present, *added]:
        if entry not in merged:
            merged.append(entry)
    return merged
