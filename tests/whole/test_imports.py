"""What `import pygobbler` costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

HEAVY = {
    "asyncio",
    "importlib.metadata",
    "jsonschema",
    "multiprocessing",
    "requests",
    "tqdm",
    "urllib3",
}


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after this code, beyond those of a bare start."""
    shown = "; import json, sys; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-I", "-c", code + shown]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_nothing_heavy_is_loaded() -> None:
    bare = loaded("pass")
    assert (loaded("import pygobbler") - bare) & HEAVY == set()
    assert (loaded("import selenite") - bare) & HEAVY == set()


def test_reading_a_local_registry_loads_nothing_heavy(tmp_path: Path) -> None:
    bare = loaded("pass")
    code = f"import pygobbler; pygobbler.list_projects({str(tmp_path)!r}, 'http://nowhere')"
    assert (loaded(code) - bare) & HEAVY == set()


def import_time(directory: str) -> float:
    """Seconds that the import takes in a fresh interpreter."""
    code = (
        "import sys, time\n"
        "if sys.argv[1] != '-': sys.path.insert(0, sys.argv[1])\n"
        "begin = time.perf_counter()\n"
        "import pygobbler\n"
        "print(time.perf_counter() - begin)\n"
    )
    command = [sys.executable, "-I", "-c", code, directory]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_import_takes_less_than_a_quarter_of_the_originals(original_client: Path) -> None:
    import_time("-")
    import_time(str(original_client))
    pairs = [(import_time("-"), import_time(str(original_client))) for _ in range(15)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"import pygobbler: {ours * 1000:.1f} ms, original {theirs * 1000:.1f} ms")
    assert ours < theirs / 4
