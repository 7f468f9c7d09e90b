"""What keeps selenite from being built on this machine, in words that pip shows last."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

RUSTUP = "https://rustup.rs"


def missing() -> str | None:
    """What keeps selenite from being built here, and what to do about it."""
    if sys.platform == "win32":
        return "selenite does not run on Windows itself: install it in WSL (`wsl --install`)"
    if sys.platform not in ("linux", "darwin"):
        return f"selenite runs on Linux and macOS, and not on {sys.platform}"
    if shutil.which("cargo") is None:
        return (
            "there is no wheel of selenite for this system, and Rust, to build it, is not "
            f"installed: install it from {RUSTUP} and try again"
        )
    manifest = tomllib.loads(Path("Cargo.toml").read_text(encoding="utf-8"))
    wanted = manifest["package"]["rust-version"]
    ran = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"cargo (\d+)\.(\d+)", ran.stdout)
    if found is None:
        return f"`cargo --version` fails: {ran.stderr.strip()}"
    if tuple(map(int, found.groups())) < tuple(map(int, wanted.split("."))):
        return (
            f"Rust {found[1]}.{found[2]} is too old to build selenite: install {wanted} or newer "
            f"(`rustup update`, or {RUSTUP})"
        )
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        return (
            f"the C compiler `{compiler}`, to build selenite, is not installed: install one "
            "(Debian: `apt install gcc libc6-dev`; macOS: `xcode-select --install`) and try again"
        )
    return None


def check() -> None:
    """End the build if it cannot succeed."""
    if what := missing():
        raise SystemExit(f"error: {what}")
