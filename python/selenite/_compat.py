"""Whose code the import of a drop-in package runs, and why."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path

from selenite import _dropin


@dataclass
class State:
    """What the import of one name does.

    Attributes:
        name: What is imported.
        distribution: The distribution that the original comes in.
        version: The version of that distribution if there is metadata of it, whoever brought it.
        runs: Whose code an import runs: ``selenite``, ``original``, ``other``, or ``nothing``.
        location: The file that an import runs first.
        why: Why it is that one.
        advice: How to have it otherwise; empty if there is nothing to say.
    """

    name: str
    distribution: str
    version: str | None
    runs: str
    location: str | None
    why: str
    advice: str

    @property
    def is_broken(self) -> bool:
        """Whether an import fails, and something can be done about it."""
        return self.runs == "nothing" and bool(self.advice)


def state(name: str) -> State:
    """Find out what the import of a drop-in does, without importing it.

    Args:
        name: The name of the package.

    Raises:
        InvalidArgumentError: If ``SELENITE_DROPIN`` has a value that it cannot have.
    """
    wanted = _dropin.wants_original(name)
    distribution = _dropin.DISTRIBUTIONS[name]
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        version = None
    # As an import does that finds nothing loaded; `find_spec` would tell what is.
    specs = (finder.find_spec(name, None) for finder in sys.meta_path)
    found = next((spec for spec in specs if spec is not None), None)
    if found is not None and _dropin.is_extension(found):
        found = _dropin.original(name) if wanted else _dropin.own(name)
        why, advice = _of_choice(name, wanted, version)
    else:
        why, advice = _of_path(name, found)
    location = None if found is None else found.origin
    runs = _whose(name, location)
    return State(
        name, distribution, version, runs, location if runs != "nothing" else None, why, advice
    )


def _whose(name: str, location: str | None) -> str:
    """Say whose file it is that an import runs first."""
    if location is None or not Path(location).is_file():
        return "nothing"
    if location == _dropin.own(name).origin:
        return "selenite"
    try:
        installed = metadata.distribution(_dropin.DISTRIBUTIONS[name])
    except metadata.PackageNotFoundError:
        return "other"
    init = Path(str(installed.locate_file(f"{name}/__init__.py")))
    return "original" if init.exists() and init.samefile(location) else "other"


def _of_choice(name: str, wanted: bool, version: str | None) -> tuple[str, str]:
    """Say why, and what to do, where the extension module of the drop-in is found."""
    distribution = _dropin.DISTRIBUTIONS[name]
    is_there = _dropin.original(name) is not None
    setting = f"SELENITE_DROPIN={os.environ.get('SELENITE_DROPIN', '')}"
    if wanted and is_there:
        return f"{setting} asks for the original", "unset SELENITE_DROPIN to import selenite's"
    missing = "only metadata is installed" if version else "nothing is installed"
    if wanted:
        why = f"{setting} asks for the original, of which {missing}"
        force = "--force-reinstall " if version else ""
        return why, f"`pip install {force}{distribution}`, or unset SELENITE_DROPIN"
    if not _dropin.is_built(name):
        return "files of selenite are missing", "`pip install --force-reinstall selenite`"
    if is_there:
        why = "it comes before the original, which is left as it is"
        return why, f"set SELENITE_DROPIN={name} to import the original"
    return f"of the original {missing}", ""


def _of_path(name: str, found: ModuleSpec | None) -> tuple[str, str]:
    """Say why, and what to do, where an import does not come to selenite."""
    absent = found is None or found.origin is None
    if not _dropin.is_built(name):
        missing = f", and {_dropin.DISTRIBUTIONS[name]} is not installed" if absent else ""
        return f"selenite has no {name} yet{missing}", ""
    if ".abi3.so" not in EXTENSION_SUFFIXES:
        why = "this Python loads no extension modules of the stable ABI"
        return why, f"import selenite's as `selenite.dropin.{name}`"
    places = [PathFinder.find_spec(name, [entry]) for entry in sys.path]
    behind = [spec for spec in places if spec is not None and _dropin.is_extension(spec)]
    if not behind:
        why = "the extension module that leads to selenite's is missing"
        return why, "`pip install --force-reinstall selenite`"
    directory = Path(behind[0].origin or "").parents[1]
    return "it comes first on the path of modules", f"let `{directory}` come before it"
