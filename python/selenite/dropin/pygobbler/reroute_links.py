"""Rerouting of links."""

from __future__ import annotations

import os

from selenite._arguments import records

from ._utils import dump_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def reroute_links(
    to_delete: Mapping[str, str] | Iterable[Mapping[str, str]],
    staging: str | os.PathLike[str],
    url: str,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    """Make links independent of versions that are about to be removed.

    Links to files in the given versions are led to the next file with the same content, or become
    copies. Nothing is removed. Only administrators may.

    Args:
        to_delete: What is about to be removed, each a dictionary with ``project``, and ``asset``
            and ``version`` to be more specific.
        staging: The service's staging directory.
        url: URL of the service, such as ``"http://localhost:8080"``.
        dry_run: Only say what would change.

    Returns:
        One dictionary per affected link: ``copy`` (whether it became a copy), ``path`` of the link,
        ``source`` (the file that will be gone) and ``usage`` (bytes that the project now uses in
        addition).

    Raises:
        TypeError: If ``to_delete`` is something else.
        requests.HTTPError: If the service refuses the request; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        FileNotFoundError: If the staging directory does not exist.

    Example:
        >>> import pygobbler
        >>> gone = [{"project": "test"}]
        >>> pygobbler.reroute_links(gone, staging, url, dry_run=True)
        []
    """
    payload = {"to_delete": records(to_delete, "to_delete"), "dry_run": dry_run}
    changes: list[dict[str, Any]] = dump_request(staging, url, "reroute_links", payload)["changes"]
    return changes
