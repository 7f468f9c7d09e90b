from __future__ import annotations

import os
import stat
from pathlib import Path

import pygobbler as pyg
import pytest


def test_a_new_directory_is_made_in_staging(tmp_path: Path) -> None:
    staging = str(tmp_path)
    first = pyg.allocate_upload_directory(staging)
    second = pyg.allocate_upload_directory(staging)
    assert first != second
    assert {os.path.dirname(first), os.path.dirname(second)} == {staging}
    assert sorted(tmp_path.iterdir()) == sorted([Path(first), Path(second)])


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o755)])
def test_the_mode_follows_the_umask_and_lets_nobody_else_write(
    tmp_path: Path, mask: int, mode: int
) -> None:
    os.umask(mask)
    path = pyg.allocate_upload_directory(str(tmp_path))
    assert stat.S_IMODE(os.stat(path).st_mode) == mode


def test_only_the_name_is_reserved_on_request(tmp_path: Path) -> None:
    path = pyg.allocate_upload_directory(str(tmp_path), create=False)
    assert os.path.dirname(path) == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_staging_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pyg.allocate_upload_directory(str(tmp_path / "missing"))
