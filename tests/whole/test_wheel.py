"""The installed distribution."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import sysconfig
from pathlib import Path

import gypsum_client
import pygobbler
import selenite
import selenite._core

PACKAGES = ("selenite", "pygobbler", "gypsum_client")


def test_the_packages_come_from_the_installed_wheel() -> None:
    site = Path(sysconfig.get_path("platlib")).resolve()
    for package in (selenite, pygobbler, gypsum_client, selenite._core):
        assert package.__file__ is not None
        assert Path(package.__file__).resolve().is_relative_to(site)


def test_one_version_everywhere() -> None:
    version = importlib.metadata.version("selenite")
    assert selenite.__version__ == selenite._core.__version__ == version


def test_it_is_typed_and_holds_only_its_packages() -> None:
    files = [str(file) for file in importlib.metadata.files("selenite") or []]
    for package in PACKAGES:
        assert f"{package}/py.typed" in files
    assert "selenite/_core.pyi" in files
    tops = {name.split("/")[0] for name in files if not name.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_licence_is_shipped() -> None:
    assert importlib.metadata.metadata("selenite")["License-Expression"] == "MIT"
    files = [str(file) for file in importlib.metadata.files("selenite") or []]
    assert any(name.endswith("LICENSE") for name in files)


def test_one_binary_serves_all_python_versions() -> None:
    files = [str(file) for file in importlib.metadata.files("selenite") or []]
    libraries = [name for name in files if name.endswith((".so", ".pyd"))]
    assert len(libraries) == 1
    assert "abi3" in libraries[0]


def test_the_command_tells_its_version_and_its_services() -> None:
    command = str(Path(sys.executable).with_name("selenite"))
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert selenite.__version__ in version.stdout
    usage = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "serve" in usage.stdout
