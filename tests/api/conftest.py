"""The same versions in both kinds of registry, at hand and over HTTP."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.registries import Registries, serving

# Only where the groups are installed: `engines` for the gate, `notebook` by scripts/full.
ENGINES = ("dask", "duckdb", "polars", "pyarrow", "zarr")
NOTEBOOK = ("ipykernel", "nbclient")
collect_ignore = [
    test
    for test, needed in (("test_engines.py", ENGINES), ("test_notebook.py", NOTEBOOK))
    if not all(importlib.util.find_spec(name) for name in needed)
]

WAYS = ["gobbler-here", "gobbler-http", "gypsum-here", "gypsum-http"]


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    """A Gobbler and a gypsum with two versions of `demo/rna`, and a third on probation."""
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELENITE_PROGRESS", "off")
        yield stack.enter_context(serving(tmp_path_factory.mktemp("registries")))


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How the registry is read."""
    return str(request.param)


@pytest.fixture
def service(way: str) -> str:
    """Which kind of registry it is."""
    return way.partition("-")[0]


@pytest.fixture
def where(way: str, registries: Registries, tmp_path: Path) -> dict[str, Any]:
    """The arguments that say where it is; the cache is empty at first."""
    return registries.where(way, tmp_path / "cache")
