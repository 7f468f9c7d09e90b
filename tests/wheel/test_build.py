"""What is said where selenite cannot be built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OLD_CARGO = "#!/bin/sh\necho cargo 1.88.0 '(873a06493 2025-05-10)'\n"
NEW_CARGO = "#!/bin/sh\necho cargo 1.200.0\n"


def said(path: Path, platform: str = sys.platform) -> str:
    """The last line of a build with these programs on this system."""
    code = f"import selenite_needs, sys; sys.platform = {platform!r}; selenite_needs.check()"
    environment = {"PATH": str(path), "PYTHONPATH": str(ROOT / "build_backend")}
    command = [sys.executable, "-B", "-c", code]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.stdout == ""
    assert (ran.returncode == 0) == (ran.stderr == "")
    return (ran.stderr.splitlines() or [""])[-1]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("platform", "advice"),
    [("win32", "WSL"), ("freebsd14", "Linux and macOS"), ("linux", "https://rustup.rs")],
)
def test_a_system_without_rust(tmp_path: Path, platform: str, advice: str) -> None:
    assert advice in said(tmp_path, platform)


def test_what_else_it_takes(tmp_path: Path) -> None:
    program(tmp_path, "cargo", OLD_CARGO)
    assert "Rust 1.88 is too old" in said(tmp_path, "linux")
    program(tmp_path, "cargo", "#!/bin/sh\necho 'no default toolchain' >&2; exit 1\n")
    assert said(tmp_path, "linux").endswith("no default toolchain")
    program(tmp_path, "cargo", NEW_CARGO)
    assert "C compiler `cc`" in said(tmp_path, "linux")
    program(tmp_path, "cc", "")
    assert said(tmp_path, "linux") == ""
