"""Many files are digested at once."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from selenite import _core


def test_digests_are_the_standard_ones_in_the_order_given(tmp_path: Path) -> None:
    contents = [bytes([size % 251]) * size for size in (0, 1, 55, 56, 64, 4096, 300_000, 7)]
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"f{number}")
        paths[-1].write_bytes(content)
    expected = [hashlib.md5(content).hexdigest() for content in contents]
    assert _core.digest_files(paths) == expected
    assert _core.digest_files([str(path) for path in reversed(paths)], "md5") == expected[::-1]
    assert _core.digest_files([]) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_other_algorithms(tmp_path: Path, algorithm: str) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    expected = hashlib.new(algorithm, b"abc").hexdigest()
    assert _core.digest_files([tmp_path / "f"] * 2, algorithm) == [expected] * 2


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(FileNotFoundError) as caught:
        _core.digest_files([tmp_path / "f", tmp_path / "none"])
    assert caught.value.filename == str(tmp_path / "none")


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="crc"):
        _core.digest_files([], "crc")
