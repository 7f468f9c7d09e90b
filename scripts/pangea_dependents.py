#!/usr/bin/env python3
"""Collect what public packages take from pangea_api: scripts/pangea_dependents.py [DIRECTORY].

The packages come from the package index into the directory, unless they are there, without what
they need. The names are written to tests/vectors/pangea_dependents.json.
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
    "cap2==0.5.3",
    "cap2-assembly==0.2.0",
    "gimmebio-data-manager==0.2.19",
    "gimmebio-pangea==0.2.8",
]
VECTOR = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "pangea_dependents.json"


def names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Modules of the client, and what code takes from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "pangea_api":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pangea_api":
            yield "pangea_api", node.attr


def parsed(path: Path, text: str) -> Iterator[ast.AST]:
    """The tree of a file, unless Python cannot read it."""
    try:
        yield ast.parse(text)
    except SyntaxError as error:
        print(f"{path.name}: {error}", file=sys.stderr)


def main() -> None:
    """Install and collect."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        if not list(directory.glob("*.dist-info")):
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
            for package in PACKAGES:  # several have a folder of tests of the same name
                command = [*pip, "--no-deps", "--upgrade", "--target", str(directory), package]
                subprocess.run(command, check=True)
        paths = sorted(directory.rglob("*.py"))
        texts = {path: path.read_text(errors="replace") for path in paths}
    trees = [
        tree for path, text in texts.items() if "pangea_api" in text for tree in parsed(path, text)
    ]
    found: dict[str, list[Any]] = {
        "packages": PACKAGES,
        "names": sorted({name for tree in trees for name in names(tree)}),
    }
    VECTOR.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(trees)} files, {len(found['names'])} names")


if __name__ == "__main__":
    main()
