"""Many files are downloaded at once."""

from __future__ import annotations

import hashlib
import urllib.parse
from pathlib import Path

import pytest
from selenite import DigestError, UnsafePathError, _core
from support.fake import Reply, serving

CONTENTS = {"a b/c#": b"hash", "d": b"", "large": b"abc" * 100_000}


def script(_method: str, path: str) -> Reply:
    name = urllib.parse.unquote(path).removeprefix("/base/")
    return Reply(CONTENTS[name]) if name in CONTENTS else Reply(b"no", 404, "text/plain")


def facts(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.md5(content).hexdigest()


@pytest.mark.parametrize("checked", [False, True])
def test_files_arrive_whole_and_alone(tmp_path: Path, checked: bool) -> None:
    expected = [facts(content) for content in CONTENTS.values()] if checked else None
    target = tmp_path / "new" / "target"
    with serving(script) as fake:
        assert _core.download_files(f"{fake.url}/base", list(CONTENTS), target, expected) == 3
    found = {
        str(file.relative_to(target)): file.read_bytes()
        for file in target.rglob("*")
        if not file.is_dir()
    }
    assert found == CONTENTS
    assert sorted(file.name for file in target.iterdir()) == ["a b", "d", "large"]


def test_wrong_content_is_not_kept(tmp_path: Path) -> None:
    with serving(script) as fake, pytest.raises(DigestError):
        _core.download_files(f"{fake.url}/base", ["d"], tmp_path, [facts(b"x")])
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one entry for each"):
        _core.download_files("http://127.0.0.1:9", ["a"], tmp_path, [])
    with pytest.raises(UnsafePathError):
        _core.download_files("http://127.0.0.1:9", ["../a"], tmp_path)
