#!/usr/bin/env python3
"""Collect what public packages take from girder_client: scripts/girder_dependents.py [DIRECTORY].

The packages come from the package index into the directory, unless they are there, without what
they need. The names are written to tests/vectors/girder_dependents.json.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGES = [
    "dsa-helpers==3.2.3",
    "girder-client-mount==0.3.4",
    "girder-slicer-cli-web==5.0.21",
    "girder-worker==5.0.21",
    "gwvolman==2.1.3",
    "histomicstk==1.4.0",
]
# What they call a client.
CLIENTS = {"gc", "_gc", "girder_client", "dsa_client", "girderClient"}
MODULES = {"girder_client", "girder_client.cli", "girder_client._jsonemitter"}
# Parts of the package, and of Python.
OTHERS = {"cli", "setter"}
VECTOR = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "girder_dependents.json"


def names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Modules of the client, and what code takes from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "girder_client.cli":
            yield "girder_client.cli", node.attr
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "girder_client":
            yield from [("girder_client", node.attr)] * node.attr[:1].isupper()


def members(tree: ast.AST) -> Iterator[str]:
    """What code takes from clients."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if name in CLIENTS and not node.attr[:1].isupper() and node.attr not in OTHERS:
                yield node.attr


def main() -> None:
    """Install and collect."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if not list(directory.glob("*.dist-info")):
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
            subprocess.run([*pip, "--no-deps", "--target", str(directory), *PACKAGES], check=True)
        texts = [path.read_text(errors="replace") for path in directory.rglob("*.py")]
    trees = [ast.parse(text) for text in texts if "girder_client" in text]
    found: dict[str, list[Any]] = {
        "packages": PACKAGES,
        "names": sorted({name for tree in trees for name in names(tree)}),
        "members": sorted({member for tree in trees for member in members(tree)}),
    }
    VECTOR.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(trees)} files, {len(found['names'])} names, {len(found['members'])} members")


if __name__ == "__main__":
    main()
