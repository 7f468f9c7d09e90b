"""The suite itself: it runs wherever it is started, and the scripts that build say so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"


def ignore() -> None:
    """As a shell does for what a script runs by `&`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_it_does_not_hang_where_interrupts_are_ignored(tmp_path: Path) -> None:
    probe = tmp_path / "test_probe.py"
    # Whatever sends SIGINT waits for what comes of it.
    probe.write_text(
        "import os, signal, time, pytest\n"
        "def test_it():\n"
        "    with pytest.raises(KeyboardInterrupt):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
    )
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), str(probe)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        preexec_fn=ignore,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_folder_says_what_belongs_there() -> None:
    for folder in sorted(path for path in TESTS.iterdir() if path.is_dir()):
        if folder.name.startswith(("_", ".")):
            continue
        pages = [folder / name for name in ("README.md", "conftest.py", "__init__.py", "main.rs")]
        said = [page for page in pages if page.exists()]
        assert said, f"{folder.name}: say in a README.md what belongs there"
        assert len(said[0].read_text().splitlines()[0]) > 30, folder.name
        # Else the folder would be imported in the place of the package of that name.
        assert folder.name == "support" or not (folder / "__init__.py").exists()


@pytest.mark.parametrize("name", ["check", "test", "try", "walkthrough"])
def test_scripts_that_build_say_so(name: str) -> None:
    script = (ROOT / "scripts" / name).read_text()
    assert "the first time takes some minutes" in script
    assert re.search(r"^[^#\n]*maturin (build|develop).*--quiet", script, re.M) is None


def test_the_newcomers_page_names_files_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`([\w./-]+\.(?:rs|py|md|json))`", page))
    assert len(named) > 20
    homes = [ROOT / "src", ROOT / "python", TESTS, ROOT / "docs"]
    files = [*ROOT.glob("*.md"), *(path for home in homes for path in home.rglob("*"))]
    paths = [str(path) for path in files]
    assert [name for name in named if not any(path.endswith(f"/{name}") for path in paths)] == []
