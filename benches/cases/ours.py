"""All that the benchmarks need of selenite, in one place; each is imported when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cases.base import Skip


def _function(name: str) -> Any:
    from selenite import _core

    found = getattr(_core, name, None)
    if found is None:
        raise Skip(f"this build has no `_core.{name}`")
    return found


def load() -> None:
    """Import what does the work, outside of the clock."""
    from selenite import _core

    del _core


def digest_files(paths: Sequence[str], algorithm: str = "md5") -> list[str]:
    """Digest files."""
    try:
        digests: list[str] = _function("digest_files")(paths, algorithm)
    except ValueError as error:
        raise Skip(str(error)) from error
    return digests


def walk(root: str, sizes: bool = False) -> list[Any]:
    """List files."""
    found: list[Any] = _function("walk")(root, sizes)
    return found


def stage_directory(source: Path, destination: Path) -> int:
    """Copy a directory and verify the copy."""
    copied: int = _function("stage_directory")(source, destination)
    return copied


def download_files(
    base_url: str,
    paths: Sequence[str],
    destination: Path,
    expected: Sequence[tuple[int, str]] | None = None,
) -> int:
    """Download files."""
    count: int = _function("download_files")(base_url, paths, destination, expected)
    return count


def upload_files(base_url: str, paths: Sequence[str], directory: Path) -> int:
    """PUT files."""
    count: int = _function("upload_files")(base_url, paths, directory)
    return count


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return _function("read_json")(path)
