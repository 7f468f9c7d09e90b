"""Calls of packages that depend on the client, with stand-ins for all else that they need.

    python dependent.py DIRECTORY

DIRECTORY is where `celldex` and `scrnaseq` are installed. What the calls give goes to standard
output as JSON. Nothing here may depend on the rest of the tests.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

STAND_INS = (
    "biocframe",
    "delayedarray",
    "dolomite_base",
    "numpy",
    "singlecellexperiment",
    "summarizedexperiment",
)


class BiocFrame(dict):  # type: ignore[type-arg]
    """A table as a dictionary of columns."""

    def __init__(self, columns: Any = ()) -> None:
        super().__init__(columns if isinstance(columns, dict) else {})


class StandIn(types.ModuleType):
    """A module that has a class of any name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = BiocFrame if name == "BiocFrame" else type(name, (), {})
        setattr(self, name, found)
        return found


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stand-ins."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        known = name.partition(".")[0] in STAND_INS
        return importlib.machinery.ModuleSpec(name, self) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to run."""


sys.meta_path.insert(0, Finder())
sys.path.append(sys.argv[1])
celldex: Any = importlib.import_module("celldex")
scrnaseq: Any = importlib.import_module("scrnaseq")
gyp: Any = importlib.import_module("gypsum_client")

facts: list[Any] = [os.path.relpath(celldex.__file__, sys.argv[1])]
for package, list_all, search in (
    (celldex, celldex.list_references, celldex.search_references),
    (scrnaseq, scrnaseq.list_datasets, scrnaseq.search_datasets),
):
    facts.append(package.list_versions("cells"))
    facts.append(package.fetch_latest_version("cells"))
    facts.append(package.fetch_metadata("cells", "v1"))
    facts.append(sorted(list_all()["name"]))
    either = gyp.define_text_query("brain") | gyp.define_text_query("blood")
    for query in ("brain", gyp.define_text_query("br%", partial=True), either, either):
        facts.append(sorted(search(query)["name"]))
json.dump(facts, sys.stdout)
