"""What imports cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "asyncio",
    "importlib.metadata",
    "jsonschema",
    "logging",
    "multiprocessing",
    "requests",
    "sqlite3",
    "tqdm",
    "urllib3",
}


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after this code, beyond those of a bare start."""
    shown = "; import json, sys; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-I", "-c", code + shown]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_version_is_known_without_anything_heavy() -> None:
    assert (loaded("import selenite; selenite.__version__") - loaded("pass")) & HEAVY == set()


@pytest.mark.parametrize("package", ["pygobbler", "gypsum_client", "selenite"])
def test_nothing_heavy_is_loaded(package: str) -> None:
    assert (loaded(f"import {package}") - loaded("pass")) & HEAVY == set()


def test_a_client_of_girder_needs_no_more_than_the_original() -> None:
    """Servers import it, too, and have no more; the cache comes when it is asked for."""
    modules = ("girder_client", "girder_client.cli", "girder_client._jsonemitter")
    found = loaded(f"import {', '.join(modules)}") - loaded("import click, requests")
    others = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    assert others == {"girder_client", "selenite"}


def test_reading_a_local_registry_loads_nothing_heavy(tmp_path: Path) -> None:
    bare = loaded("pass")
    code = f"import pygobbler; pygobbler.list_projects({str(tmp_path)!r}, 'http://nowhere')"
    assert (loaded(code) - bare) & HEAVY == set()
