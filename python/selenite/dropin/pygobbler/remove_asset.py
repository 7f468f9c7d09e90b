"""Removal of assets."""

from __future__ import annotations

import os

from ._utils import dump_request


def remove_asset(
    project: str,
    asset: str,
    staging: str | os.PathLike[str],
    url: str,
    force: bool = False,
) -> None:
    """Remove an asset with all its versions. Removing what is not there succeeds.

    Only administrators may. Links in other assets are not looked at: see ``reroute_links``.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        force: Remove it even if internal files of its versions are damaged.

    Raises:
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> pygobbler.remove_asset("test", "simple", staging, url)
    """
    payload = {"project": project, "asset": asset, "force": force}
    dump_request(staging, url, "delete_asset", payload)
