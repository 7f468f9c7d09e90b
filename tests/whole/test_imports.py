"""What imports cost."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "asyncio",
    "importlib.metadata",
    "jsonschema",
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


def test_reading_a_local_registry_loads_nothing_heavy(tmp_path: Path) -> None:
    bare = loaded("pass")
    code = f"import pygobbler; pygobbler.list_projects({str(tmp_path)!r}, 'http://nowhere')"
    assert (loaded(code) - bare) & HEAVY == set()


def import_time(package: str, directory: str) -> float:
    """Seconds that the import takes in a fresh interpreter."""
    code = (
        "import sys, time\n"
        "if sys.argv[1] != '-': sys.path.insert(0, sys.argv[1])\n"
        "begin = time.perf_counter()\n"
        f"import {package}\n"
        "print(time.perf_counter() - begin)\n"
    )
    command = [sys.executable, "-I", "-c", code, directory]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("package", ["pygobbler", "gypsum_client"])
def test_the_import_takes_less_than_a_quarter_of_the_originals(
    original_client: Path, package: str
) -> None:
    places = ("-", str(original_client))
    for place in places:
        import_time(package, place)
    pairs = [[import_time(package, place) for place in places] for _ in range(15)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"import {package}: {ours * 1000:.1f} ms, original {theirs * 1000:.1f} ms")
    assert ours < theirs / 4
