"""New projects."""

from __future__ import annotations

import os

from selenite import _arguments

from ._utils import dump_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from selenite._arguments import _Uploaders


def create_project(
    project: str,
    staging: str | os.PathLike[str],
    url: str,
    owners: str | Iterable[str] | None = None,
    uploaders: _Uploaders | None = None,
) -> None:
    """Create a project. Only administrators may.

    Args:
        project: Name of the project.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        owners: Names of the owners; None for the caller.
        uploaders: Who may upload besides: names, or dictionaries with ``id``, and possibly
            ``asset``, ``version``, ``until`` (a ``datetime`` or ``date``, UTC if it has no zone,
            or a text by RFC 3339) and ``trusted``; None for nobody.

    Raises:
        TypeError: If owners or uploaders are something else.
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.create_project("new", staging, url, owners=["alice"])
    """
    payload: dict[str, Any] = {"project": project}
    permissions: dict[str, Any] = {}
    if owners is not None:
        permissions["owners"] = _arguments.listed(owners, "owners")
    if uploaders is not None:
        permissions["uploaders"] = _arguments.uploaders(uploaders)
    if permissions:
        payload["permissions"] = permissions
    dump_request(staging, url, "create_project", payload)
