"""Use selenite where there is neither a home directory nor a certificate; run by `scripts/bare`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import gypsum_client as gypsum
import pygobbler as pyg
import selenite
from selenite.testing import GypsumServer


def main() -> None:
    """Try what depends on the surroundings."""
    assert "HOME" not in os.environ
    command = Path(sys.executable).with_name("selenite")
    print(subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout)
    for package in (gypsum, pyg):
        assert Path(package.__file__ or "").parent.parent.name == "dropin", package
    # Nothing secret, and no certificate is asked for.
    with GypsumServer(tokens={"token": "alice"}, admins=["alice"]) as server:
        gypsum.create_project("p", owners="alice", url=server.url, token="token")
        assert gypsum.list_projects(url=server.url) == ["p"]
    # The certificates of certifi stand in for those of the system.
    try:
        pyg.fetch_manifest(
            "p", "a", "v", "/none", "https://127.0.0.1:9", force_remote=True, cache="c"
        )
    except OSError as error:
        print(f"{type(error).__name__}: {error}")
        if "certificate" in str(error):
            raise
    print(f"selenite {selenite.__version__} works without a home and certificates")


if __name__ == "__main__":
    main()
