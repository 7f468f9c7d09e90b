"""Removal of projects."""

from __future__ import annotations

import os

from ._utils import dump_request


def remove_project(
    project: str,
    staging: str | os.PathLike[str],
    url: str,
) -> None:
    """Remove a project with all its assets. Removing what is not there succeeds.

    Only administrators may. Links in other projects are not looked at: see ``reroute_links``.

    Args:
        project: Name of the project.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.remove_project("test", staging, url)
    """
    payload = {"project": project}
    dump_request(staging, url, "delete_project", payload)
