"""Where gypsum is, and what comes from it, for whoever names no other place."""

from __future__ import annotations

import os
import sys

PUBLIC_URL = "https://gypsum.artifactdb.com"


def users_cache() -> str:
    """Name the directory in which a user's downloads are kept, which the R client has, too.

    Returns:
        The directory, which need not be there.
    """
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
        return os.path.join(local, "ArtifactDB", "gypsum", "Cache")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/gypsum")
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(caches, "gypsum")
