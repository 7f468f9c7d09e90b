"""Directories of packages, as `site-packages` is: selenite, originals and stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import selenite

INSTALLED = Path(selenite.__file__).parent
SOURCE = Path(__file__).parents[2] / "src" / "python" / "dropin.c"
EXTENSION = "__init__.abi3.so"
ORIGINALS = ("pygobbler", "gypsum_client")
DROPINS = (*ORIGINALS, "girder_client", "pytupli")
# Left out, as one that is not built yet: tests put packages of this name there.
STAND_IN = "pangea_api"


class Site:
    """One such directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def add_selenite(self, *names: str) -> Site:
        """Put selenite there, and the extension modules of these drop-ins."""
        ignored = shutil.ignore_patterns("*.so", "__pycache__", STAND_IN)
        shutil.copytree(INSTALLED, self.path / "selenite", ignore=ignored)
        core = INSTALLED / "_core.abi3.so"
        (self.path / "selenite" / core.name).symlink_to(core)
        for name in names:
            self.add_extension(name)
        return self

    def add_extension(self, name: str) -> None:
        """Put the extension module of a drop-in there: what is installed, or a new one."""
        directory = self.path / name
        directory.mkdir(exist_ok=True)
        installed = INSTALLED.with_name(name) / EXTENSION
        if installed.exists() and name != STAND_IN:
            shutil.copy(installed, directory)
        else:
            target = str(directory / EXTENSION)
            command = ["cc", "-shared", "-fPIC", f"-DNAME={name}", str(SOURCE), "-o", target]
            # Python's own symbols are there when it is loaded.
            if sys.platform == "darwin":
                command.append("-Wl,-undefined,dynamic_lookup")
            subprocess.run(command, check=True)

    def add_dropin(self, name: str, **modules: str) -> Site:
        """Put a stand-in there for a drop-in that there is not: the texts of its modules."""
        return self._write(self.path / "selenite" / "dropin" / name, modules)

    def add_original(self, name: str, installed: Path) -> Site:
        """Put an original there, as it is in a directory, with the metadata of its distribution."""
        for found in installed.iterdir():
            place = self.path / found.name
            if found.name.partition("-")[0] == name:
                shutil.copytree(found, place, dirs_exist_ok=True)
            elif found.name.partition("-")[0] not in ORIGINALS and not place.exists():
                place.symlink_to(found)  # what it depends on
        return self

    def add_package(self, name: str, **modules: str) -> Site:
        """Put a package there: the texts of its modules."""
        return self._write(self.path / name, modules)

    def _write(self, directory: Path, modules: dict[str, str]) -> Site:
        directory.mkdir(exist_ok=True)
        for module, text in modules.items():
            (directory / f"{module}.py").write_text(text)
        return self


def run(code: str, *sites: Site, dropin: str | None = None, options: tuple[str, ...] = ()) -> str:
    """Run code in an interpreter of its own, which finds these packages first.

    Returns what it prints, and the last line of its traceback if it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(str(site.path) for site in sites)
    if dropin is not None:
        environment["SELENITE_DROPIN"] = dropin
    command = [sys.executable, "-P", *options, *([] if "-m" in options else ["-c", code])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.stdout + done.stderr.strip().rpartition("\n")[2]
