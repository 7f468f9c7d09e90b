"""Files of Python's that get their names when they are whole."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from selenite._placing import part_of, placed


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with placed(str(path)) as file:
        file.write(b"content")
        assert [entry.name for entry in tmp_path.iterdir()] == [".file.part"]
    assert path.read_bytes() == b"content"
    with pytest.raises(TypeError), placed(str(path)) as file:
        file.write("half")  # type: ignore[arg-type]
    with pytest.raises(FileExistsError), placed(str(path), replaces=False) as file:
        file.write(b"other")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"content"


def test_what_a_dead_process_has_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(b"half")
    with placed(str(tmp_path / "file")) as file:
        file.write(b"whole")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_others_are_at_work_on_stays(tmp_path: Path) -> None:
    with part_of(str(tmp_path / "file")) as (part, other):
        other.write(b"half")
        with placed(str(tmp_path / "file")) as file:
            file.write(b"whole")
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [".file.part", "file"]
        assert part == str(tmp_path / ".file.part")
    planted = tmp_path / ".link.part"
    planted.symlink_to(tmp_path / "file")
    with placed(str(tmp_path / "link")) as file:
        file.write(b"own")
    assert planted.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_child_does_not_keep_what_its_parent_has_locked(tmp_path: Path) -> None:
    read, write = os.pipe()
    with part_of(str(tmp_path / "file")) as (part, _):
        kept = os.open(part, os.O_RDONLY)
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)  # until the parent has come to its end
            os._exit(0)
    fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for file in (kept, read, write):
        os.close(file)
    os.waitpid(child, 0)


def test_long_names_are_cut(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)
    with placed(str(path), mode=0o600) as file:
        file.write(b"x")
    assert path.stat().st_mode & 0o777 == 0o600
