"""The original clients from the package index, apart from everything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NAMES = ("pygobbler==0.1.11", "gypsum-client==0.2.0")


def installed(directory: Path) -> Path:
    """The directory that holds the original clients and their dependencies.

    The environment variable `SELENITE_ORIGINAL_CLIENT` names one that is there already; otherwise
    it is installed into `directory`.
    """
    given = os.environ.get("SELENITE_ORIGINAL_CLIENT")
    if given:
        return Path(given)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", str(directory), *NAMES], check=True)
    return directory
