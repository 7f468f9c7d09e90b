"""A directory is copied and the copy verified."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenite import _core


def test_a_copy_is_equal_to_its_source(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "d" / "empty").mkdir(parents=True)
    contents = {"d/.dot": b"x", "é b": b"", "large": b"ab" * 3_000_000}
    for name, content in contents.items():
        (source / name).write_bytes(content)
    assert _core.stage_directory(source, copy) == 3
    assert {name: (copy / name).read_bytes() for name in contents} == contents
    assert (copy / "d" / "empty").is_dir()


def test_a_destination_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "copy").mkdir()
    with pytest.raises(FileExistsError):
        _core.stage_directory(tmp_path / "source", tmp_path / "copy")
