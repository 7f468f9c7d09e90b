"""Refreshing of the latest version."""

from __future__ import annotations

import os

from ._utils import dump_request


def refresh_latest(
    project: str,
    asset: str,
    staging: str | os.PathLike[str],
    url: str,
) -> str | None:
    """Determine the latest version of an asset anew.

    Only administrators may; meant for repairs by hand.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.

    Returns:
        Name of the latest version, or None if no version is off probation.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.refresh_latest("test", "simple", staging, url)
        'v1'
    """
    payload = {"project": project, "asset": asset}
    version: str | None = dump_request(staging, url, "refresh_latest", payload).get("version")
    return version
