"""Reindexing of versions."""

from __future__ import annotations

import os

from ._utils import dump_request


def reindex_version(
    project: str,
    asset: str,
    version: str,
    staging: str | os.PathLike[str],
    url: str,
) -> None:
    """Make the manifest and the link files of a version anew from its files.

    Only administrators may; meant for repairs by hand.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.reindex_version("test", "simple", "v1", staging, url)
    """
    payload = {"project": project, "asset": asset, "version": version}
    dump_request(staging, url, "reindex_version", payload)
