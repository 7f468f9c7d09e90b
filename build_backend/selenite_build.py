"""The build backend: maturin's, and what that leaves out of an editable installation.

An editable installation is a line in a `.pth` file, by which Python finds packages only after those
that are installed. So that what finds a drop-in package is installed itself, the extension modules
`NAME/__init__.abi3.so` are put into the wheel. `maturin develop` does not come here: with it, an
original that is installed in the same environment is imported.

Before that, what is missing is said: Rust is not fetched unasked, as maturin would.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import maturin
import selenite_needs
from maturin import (
    build_sdist,
    build_wheel,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

PACKAGES = Path("python")


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What maturin needs besides, if a wheel can be built here."""
    selenite_needs.check()
    return maturin.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What maturin needs besides, if a wheel can be built here."""
    selenite_needs.check()
    return maturin.get_requires_for_build_editable(config_settings)


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel for an editable installation and return its name."""
    name = maturin.build_editable(wheel_directory, config_settings, metadata_directory)
    add(Path(wheel_directory, name), sorted(PACKAGES.glob("*/__init__.abi3.so")))
    return name


def add(wheel: Path, files: list[Path]) -> None:
    """Add files of the packages to a wheel and to its record."""
    with ZipFile(wheel) as old:
        entries = [(info, old.read(info)) for info in old.infolist()]
    with ZipFile(wheel, "w", ZIP_DEFLATED) as new:
        lines = ""
        for file in files:
            place, data = file.relative_to(PACKAGES).as_posix(), file.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines += f"{place},sha256={digest},{len(data)}\n"
            new.write(file, place)
        for info, data in entries:
            more = lines if info.filename.endswith(".dist-info/RECORD") else ""
            new.writestr(info, data + more.encode())
