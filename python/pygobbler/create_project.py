"""New projects."""

from __future__ import annotations

from pygobbler._utils import dump_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def create_project(
    project: str,
    staging: str,
    url: str,
    owners: list[str] | None = None,
    uploaders: list[dict[str, Any]] | None = None,
) -> None:
    """Create a project. Only administrators may.

    Args:
        project: Name of the project.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        owners: Names of the owners; None for the caller.
        uploaders: Who may upload besides: dictionaries with ``id``, and possibly ``asset``,
            ``version``, ``until`` (RFC 3339) and ``trusted``; None for nobody.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.create_project("new", staging, url, owners=["alice"])
    """
    payload: dict[str, Any] = {"project": project}
    permissions = {"owners": owners, "uploaders": uploaders}
    given = {key: value for key, value in permissions.items() if value is not None}
    if given:
        payload["permissions"] = given
    dump_request(staging, url, "create_project", payload)
