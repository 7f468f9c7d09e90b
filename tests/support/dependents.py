"""Packages from the package index that depend on the client."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

NAMES = ("celldex==0.3.0", "scrnaseq==0.3.1")


def installed(directory: Path) -> Path:
    """The directory that holds the packages, without what they need themselves.

    The environment variable `SELENITE_DEPENDENTS` names one that is there already; otherwise they
    are installed into `directory`.
    """
    given = os.environ.get("SELENITE_DEPENDENTS")
    if given:
        return Path(given)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--no-deps", "--target", str(directory), *NAMES], check=True)
    return directory
