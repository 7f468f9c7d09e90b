"""Everything below a directory is listed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_directories_are_listed_in_the_order_of_whole_paths(tmp_path: Path, jobs: str) -> None:
    for folder in range(40):
        place = tmp_path / f"d{folder}" / ("deep" * folder or "e") / "er"
        place.mkdir(parents=True)
        for name in ("a", "a.b", "z"):
            (place.parent / name).write_bytes(b"x" * folder)
            (place / name).write_bytes(b"")
        (tmp_path / f"d{folder}.txt").symlink_to("nowhere")
    expected = sorted(
        (path.relative_to(tmp_path).as_posix(), path.lstat().st_size)
        for path in tmp_path.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )
    program = (
        "import json, sys; from selenite import _core;"
        "print(json.dumps(_core.walk(sys.argv[1], True)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "SELENITE_JOBS": jobs},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(answer.stdout) == [list(found) for found in expected]


def test_a_name_that_is_not_text_is_refused_with_its_path(tmp_path: Path) -> None:
    for folder in range(40):
        (tmp_path / f"d{folder}").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/d20/\xff")).write_bytes(b"")
    with pytest.raises(ValueError, match="d20"):
        _core.walk(tmp_path)
