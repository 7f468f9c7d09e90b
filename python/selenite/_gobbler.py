"""What a Gobbler service for tests is made with."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def current_user() -> str:
    """Name the user of this process, by a number if there is no name."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def open_to_all(staging: str) -> None:
    """Let everybody write to a staging directory, and rename what is their own."""
    Path(staging).chmod(0o1777)


def make_staging(staging: str) -> None:
    """Make a staging directory that is not there."""
    if not Path(staging).exists():
        Path(staging).mkdir(parents=True)
        # Whoever may write there must not rename the requests of others.
        Path(staging).chmod(Path(staging).stat().st_mode | stat.S_ISVTX)
