"""What a service says about itself."""

from __future__ import annotations

from selenite import _core

from ._errors import translated


def service_info(url: str) -> dict[str, str]:
    """Ask a service where it keeps its directories.

    Args:
        url: URL of the service, such as ``"http://localhost:8080"``.

    Returns:
        A dictionary with ``staging`` and ``registry``, paths on the service's file system.

    Raises:
        requests.HTTPError: If the service answers with an error.
        requests.ConnectionError: If the service cannot be reached.
        ValueError: If something other than a Gobbler answers at that URL.

    Example:
        >>> import pygobbler
        >>> pygobbler.service_info(url) == {"staging": staging, "registry": registry}
        True
    """
    with translated():
        info = _core.gobbler_info(url)
    return {"staging": info["staging"], "registry": info["registry"]}
