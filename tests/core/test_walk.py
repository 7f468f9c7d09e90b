"""Everything below a directory is listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenite import _core


def test_files_and_links_are_listed_sorted_with_their_own_sizes(tmp_path: Path) -> None:
    (tmp_path / "d" / "empty").mkdir(parents=True)
    (tmp_path / "d" / ".dot").write_bytes(b"abc")
    (tmp_path / "d-").write_bytes(b"")
    (tmp_path / "é").symlink_to("d/.dot")
    assert _core.walk(tmp_path) == ["d-", "d/.dot", "é"]
    assert _core.walk(str(tmp_path), sizes=True) == [("d-", 0), ("d/.dot", 3), ("é", 6)]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _core.walk(tmp_path / "none")
