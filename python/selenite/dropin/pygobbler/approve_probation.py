"""Approval of probational versions."""

from __future__ import annotations

import os

from ._utils import dump_request


def approve_probation(
    project: str,
    asset: str,
    version: str,
    staging: str | os.PathLike[str],
    url: str,
    spoof: str | None = None,
) -> None:
    """Approve a version that is on probation, which makes it permanent.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        spoof: User on whose behalf the request is made, if the service allows it.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.approve_probation("test", "simple", "v2", staging, url)
    """
    payload = {"project": project, "asset": asset, "version": version}
    dump_request(staging, url, "approve_probation", payload, spoof)
