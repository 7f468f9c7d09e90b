"""Packages that depend on the client find all that they need, and work."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from support import dependents
from support.bucket import Gypsum, upload
from support.fake import Reply, serving
from support.tree import make


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `celldex` and `scrnaseq` are installed, without what they need."""
    return dependents.installed(tmp_path_factory.mktemp("dependents"))


def uses(root: Path) -> set[tuple[str, str]]:
    """Modules of the client, and names in them, that the packages' code takes from there."""
    found = set()
    for file in root.glob("*/*.py"):
        tree = ast.parse(file.read_text())
        aliases = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gypsum_client"):
                found |= {(str(node.module), alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                aliases |= {
                    alias.asname or alias.name
                    for alias in node.names
                    if alias.name == "gypsum_client"
                }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in aliases
            ):
                found.add(("gypsum_client", node.attr))
    return found


def test_every_name_that_they_take_is_there(packages: Path) -> None:
    names = uses(packages)
    assert len(names) > 10
    for module, name in names:
        found = getattr(importlib.import_module(module), name)
        assert callable(found)
        assert not inspect.ismodule(found)


def database(path: Path) -> bytes:
    """A database in which both projects have two assets."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE versions(vid, project, asset, version, latest);"
            "CREATE TABLE paths(pid, vid, path, metadata);"
            "CREATE TABLE tokens(tid, token); CREATE TABLE fields(fid, field);"
            "CREATE TABLE links(pid, fid, tid);"
            "INSERT INTO tokens VALUES (0, 'brain'), (1, 'blood');"
        )
        for number, project in enumerate(("celldex", "celldex", "scRNAseq", "scRNAseq")):
            row = (number, project, f"cells-{number % 2}", "v1", 1)
            connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("INSERT INTO paths VALUES (?, ?, 'a/x', '{}')", (number, number))
            connection.execute("INSERT INTO links VALUES (?, 0, ?)", (number, number % 2))
    return path.read_bytes()


def test_they_list_search_and_fetch(empty: Gypsum, packages: Path, tmp_path: Path) -> None:
    metadata = {"title": "Cells"}
    source = make(tmp_path / "source", {"_bioconductor.json": json.dumps(metadata)})
    for project in ("celldex", "scRNAseq"):
        gyp.create_project(project, "alice", **empty.writer)
        for version in ("v1", "v2"):
            upload(empty, source, project, "cells", version)
    files = {"/modified": b"1", "/bioconductor.sqlite3": database(tmp_path / "meta.sqlite3")}
    with serving(lambda _, path: Reply(files[path])) as site:
        settings = {
            "GYPSUM_REST_URL": empty.url,
            "GYPSUM_CACHE_DIR": str(tmp_path / "cache"),
            "GYPSUM_METADATA_DB_URL": site.url,
        }
        script = Path(dependents.__file__).with_name("dependent.py")
        done = subprocess.run(
            [sys.executable, "-P", str(script), str(packages)],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    facts: list[Any] = json.loads(done.stdout)
    both = ["cells-0", "cells-1"]
    each = [["v1", "v2"], "v2", metadata, both, ["cells-0"], ["cells-0"], both, both]
    assert facts == ["celldex/__init__.py", *each, *each]
