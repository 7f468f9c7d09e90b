"""Refreshing of the usage of projects."""

from __future__ import annotations

import os

from ._utils import dump_request


def refresh_usage(
    project: str,
    staging: str | os.PathLike[str],
    url: str,
) -> int:
    """Add up the size of a project anew.

    Only administrators may; meant for repairs by hand.

    Args:
        project: Name of the project.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.

    Returns:
        Bytes used by the project; links count nothing.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.refresh_usage("test", staging, url)
        36
    """
    payload = {"project": project}
    total: int = dump_request(staging, url, "refresh_usage", payload)["total"]
    return total
