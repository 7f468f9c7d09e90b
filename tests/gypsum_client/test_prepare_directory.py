"""What of a directory is uploaded, and what is linked to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from support.tree import EMPTY, Link, Tree, make

Source = Callable[[Tree], Path]


@pytest.fixture
def kept(cache: Path) -> Path:
    """A version in the cache."""
    return make(cache / "bucket" / "P" / "A" / "V", {"f": "text", "d/g": "more"})


def link(path: str, target: str) -> dict[str, str]:
    names = {"to.project": "P", "to.asset": "A", "to.version": "V"}
    return {"from.path": path, **names, "to.path": target}


def prepared(folder: Path, cache: Path | str, **options: Any) -> tuple[list[str], list[Any]]:
    found = gyp.prepare_directory_upload(folder, cache_dir=cache, **options)
    assert list(found) == ["files", "links"]
    return found["files"], found["links"]


def test_files_are_found_sorted(source: Source, cache: Path) -> None:
    folder = source({"b": "", "a/c": "", ".dot": "", "..dots": "", "a b": "", "e": EMPTY})
    assert prepared(folder, cache) == (["..dots", ".dot", "a b", "a/c", "b"], [])


def test_links_into_the_cache_become_links(source: Source, cache: Path, kept: Path) -> None:
    folder = source({"f": "", "l": Link(str(kept / "f")), "d/m": Link(str(kept / "d/gone"))})
    links = [link("d/m", "d/gone"), link("l", "f")]
    assert prepared(folder, cache) == (["f"], links)
    assert prepared(folder, cache, links="always") == (["f"], links)
    (folder / "d" / "m").unlink()
    assert prepared(folder, cache, links="never") == (["f", "l"], [])


def test_relative_links_are_seen_from_where_they_are(
    source: Source, cache: Path, kept: Path
) -> None:  # D21
    folder = source({"f": "", "d/l": Link("../f")})
    os.symlink(os.path.relpath(kept / "f", folder / "d"), folder / "d" / "m")
    assert prepared(folder, cache) == (["d/l", "f"], [link("d/m", "f")])


def test_the_cache_is_known_by_any_of_its_names(
    source: Source, cache: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # D20
    other = tmp_path / "other"
    other.symlink_to(cache)
    folder = source({"l": Link(str(kept / "f")), "m": Link(str(other / "bucket/P/A/V/f"))})
    monkeypatch.chdir(tmp_path)
    for name in (cache, other, "cache", f"{cache}/../cache", f"{cache}/"):
        assert prepared(folder, name) == ([], [link("l", "f"), link("m", "f")])


def test_links_to_links_of_the_cache_name_the_first(
    source: Source, cache: Path, kept: Path
) -> None:
    (kept / "again").symlink_to(kept / "f")
    assert prepared(source({"l": Link(str(kept / "again"))}), cache) == ([], [link("l", "again")])


def test_dangling_links_are_refused(source: Source, cache: Path, kept: Path) -> None:
    folder = source({"l": Link("/no/such/file")})
    for links in ("auto", "never"):
        with pytest.raises(ValueError, match=r"^Cannot use a dangling link to '/no/such/file' as"):
            prepared(folder, cache, links=links)
    message = r"^Failed to convert symlink '/no/such/file' to an upload link.$"
    with pytest.raises(ValueError, match=message):
        prepared(folder, cache, links="always")
    with pytest.raises(ValueError, match="Cannot use a dangling link"):
        prepared(source({"l": Link(str(kept / "gone"))}), cache, links="never")


def test_links_that_are_not_into_a_version_are_files(
    source: Source, cache: Path, kept: Path
) -> None:
    (cache / "bucket" / "P" / "stray").write_text("")
    folder = source({"l": Link(str(cache / "bucket" / "P" / "stray"))})
    assert prepared(folder, cache) == (["l"], [])
    with pytest.raises(ValueError, match="Failed to convert symlink"):
        prepared(folder, cache, links="always")


@pytest.mark.parametrize("links", ["auto", "always", "never"])
def test_links_to_directories_are_refused(
    source: Source, cache: Path, kept: Path, links: str
) -> None:  # D22
    folder = source({"d/f": "", "l": Link("d")})
    with pytest.raises(ValueError, match=r"directory '.*/l'"):
        prepared(folder, cache, links=links)


def test_other_options_and_kinds_are_refused(source: Source, cache: Path) -> None:
    message = r"Invalid value for 'links': no. Must be one of \['auto', 'always', 'never'\]."
    with pytest.raises(ValueError, match=message):
        prepared(source({}), cache, links="no")
    folder = source({"f": ""})
    os.mkfifo(folder / "pipe")
    with pytest.raises(ValueError, match="pipe"):
        prepared(folder, cache)
