"""The installed distribution."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pkgutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import selenite
import selenite._core
import selenite.dropin

DROPINS = [module.name for module in pkgutil.iter_modules(selenite.dropin.__path__)]
PACKAGES = ("selenite", *DROPINS)
FILES = [str(file) for file in importlib.metadata.files("selenite") or []]


def test_the_packages_come_from_the_installed_wheel() -> None:
    site = Path(sysconfig.get_path("platlib")).resolve() / "selenite"
    assert {"girder_client", "gypsum_client", "pygobbler"} <= set(DROPINS)
    for package in (selenite, selenite._core, *map(importlib.import_module, DROPINS)):
        assert package.__file__ is not None
        assert Path(package.__file__).resolve().is_relative_to(site)


def test_it_is_typed_and_holds_only_its_packages() -> None:
    for package in PACKAGES:
        assert f"{package}/py.typed" in FILES
    assert "selenite/_core.pyi" in FILES
    tops = {name.split("/")[0] for name in FILES if not name.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_licence_is_shipped() -> None:
    assert importlib.metadata.metadata("selenite")["License-Expression"] == "MIT"
    assert any(name.endswith("LICENSE") for name in FILES)


def test_the_code_of_others_is_named_with_its_licences() -> None:
    def read(ending: str) -> str:
        (file,) = [file for file in FILES if file.endswith(ending)]
        return importlib.metadata.distribution("selenite").read_text(file.partition("/")[2]) or ""

    bill = json.loads(read(".dist-info/sboms/selenite.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == selenite.__version__
    licences = read(".dist-info/licenses/THIRD-PARTY-LICENSES.txt")
    names = {component["name"] for component in bill["components"]}
    assert {"aws-lc-sys", "pyo3", "tokio"} <= names
    for component in bill["components"]:
        assert f"{component['name']} {component['version']}: " in licences
    assert "file:" not in json.dumps(bill)


def test_one_binary_serves_all_python_versions() -> None:
    libraries = {name for name in FILES if name.endswith((".so", ".pyd"))}
    extensions = {f"{name}/__init__.abi3.so" for name in DROPINS}
    assert libraries == {"selenite/_core.abi3.so", *extensions}


@pytest.mark.parametrize("name", DROPINS)
def test_a_drop_in_shares_no_file_with_its_original(name: str, original_client: Path) -> None:
    ours = {file for file in FILES if file.startswith(f"{name}/")}
    assert ours
    theirs = {
        str(file.relative_to(original_client)) for file in original_client.glob(f"{name}/**/*")
    }
    assert f"{name}/__init__.py" in theirs
    assert ours & theirs == set()
    assert {Path(file).suffix for file in ours} == {".pyi", ".so", ".typed"}


def test_the_command_tells_its_version_and_its_services() -> None:
    command = str(Path(sys.executable).with_name("selenite"))
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert selenite.__version__ in version.stdout
    usage = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "serve" in usage.stdout
