"""Parts of paths in a registry."""

from __future__ import annotations

import os

from selenite._arguments import path_text


def unpack_path(path: str | os.PathLike[str]) -> dict[str, str | None]:
    """Split a path of a registry into its parts.

    Args:
        path: A path of the form ``project/asset/version`` or ``project/asset/version/path``.

    Returns:
        A dictionary with ``project``, ``asset``, ``version`` and ``path``; the last one is None if
        nothing follows the version.

    Raises:
        TypeError: If it is no path.
        ValueError: If the path has fewer than three components, or one of the first three is empty.

    Example:
        >>> unpack_path("test/simple/v1/b/c.txt")
        {'project': 'test', 'asset': 'simple', 'version': 'v1', 'path': 'b/c.txt'}
    """
    path = path_text(path, "path")
    parts = path.split("/", 3)
    if len(parts) < 3:
        message = "expected at least 3 path components in 'path'"
        raise ValueError(message)
    unpacked: dict[str, str | None] = {}
    for name, part in zip(("project", "asset", "version"), parts, strict=False):
        if not part:
            message = f"empty {name} in path `{path}`"
            raise ValueError(message)
        unpacked[name] = part
    inner = parts[3] if len(parts) > 3 else ""
    unpacked["path"] = None if inner.split("/", 1)[0] == "" else inner
    return unpacked
