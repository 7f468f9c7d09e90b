"""Where downloads are kept."""

from __future__ import annotations

import os

from selenite._gypsum import users_cache


def cache_directory(dir: str | os.PathLike[str] | None = None) -> str:
    """Get or set the directory in which downloads are kept where no other is named.

    It is shared with the R client, and made when something is kept.

    Args:
        dir: A directory, to be used from now on; None to change nothing.

    Returns:
        The directory that was used until now. At first it is that of the environment variable
        ``GYPSUM_CACHE_DIR``, or ``gypsum`` in the user's directory for caches.

    Example:
        >>> import gypsum_client
        >>> old = gypsum_client.cache_directory()
        >>> gypsum_client.cache_directory("my-cache") == old
        True
        >>> gypsum_client.cache_directory(old)
        'my-cache'
    """
    state = globals()
    if "CURRENT_CACHE_DIRECTORY" not in state:
        state["CURRENT_CACHE_DIRECTORY"] = os.environ.get("GYPSUM_CACHE_DIR") or users_cache()
    previous: str = state["CURRENT_CACHE_DIRECTORY"]
    if dir is not None:
        state["CURRENT_CACHE_DIRECTORY"] = os.fspath(dir)
    return previous


def __getattr__(name: str) -> str:
    """Fix the initial value when it is first looked at."""
    if name == "CURRENT_CACHE_DIRECTORY":
        return cache_directory()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
