"""Usage of projects."""

from __future__ import annotations

import os

from selenite import _core

from ._errors import translated
from ._utils import expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from selenite._core import Usage


def fetch_usage(
    project: str, registry: str | os.PathLike[str], url: str | None, force_remote: bool = False
) -> int:
    """Get the number of bytes that a project uses.

    Args:
        project: Name of the project.
        registry: Directory of the registry. It is read directly if it exists here.
        url: URL of the service, for a registry that does not; may be None otherwise.
        force_remote: Ask the service even if the registry can be read here.

    Returns:
        Bytes of all files of the project that are not links.

    Raises:
        FileNotFoundError: If the registry is read here and there is no such project.
        requests.HTTPError: If the service answers with an error; the arguments are the status and
            the reason.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If a name cannot be that of a project, asset or version.
        json.JSONDecodeError: If the file is damaged; a plain ValueError if it holds other JSON.

    Example:
        >>> import pygobbler
        >>> pygobbler.fetch_usage("test", registry, url)
        36
    """
    with translated():
        path = _core.gobbler_path(project) + "/..usage"
        usage: Usage = _core.gobbler_read(
            path, registry, url, force_remote=force_remote, optional=False
        )
    expect(usage, dict, "usage")
    total = usage["total"]
    expect(total, int, "total")
    return total
