"""Rejection of probational versions."""

from __future__ import annotations

import os

from ._utils import dump_request


def reject_probation(
    project: str,
    asset: str,
    version: str,
    staging: str | os.PathLike[str],
    url: str,
    force: bool = False,
    spoof: str | None = None,
) -> None:
    """Reject a version that is on probation, which removes it.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        force: Reject it even if its internal files are damaged.
        spoof: User on whose behalf the request is made, if the service allows it.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.reject_probation("test", "simple", "v2", staging, url)
    """
    payload = {"project": project, "asset": asset, "version": version, "force": force}
    dump_request(staging, url, "reject_probation", payload, spoof)
