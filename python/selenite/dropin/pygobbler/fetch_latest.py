"""The latest version of an asset."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from ._utils import expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from selenite._core import Latest


def fetch_latest(
    project: str,
    asset: str,
    registry: str | os.PathLike[str],
    url: str | None,
    force_remote: bool = False,
) -> str | None:
    """Get the name of the latest version of an asset.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        Name of the latest version that is not on probation, or None if there is none or no such
        asset.

    Raises:
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If a name cannot be that of a project, asset or version.
        json.JSONDecodeError: If the file is damaged; a plain ValueError if it holds other JSON.

    Example:
        >>> import pygobbler
        >>> pygobbler.fetch_latest("test", "simple", registry, url)
        'v1'
    """
    with translated():
        path = _core.gobbler_path(project, asset) + "/..latest"
        latest: Latest | None = _core.gobbler_read(
            path, registry, url, force_remote=force_remote, optional=True
        )
    if latest is None:
        return None
    expect(latest, dict, "latest")
    version = latest["version"]
    expect(version, str, "version")
    return version
