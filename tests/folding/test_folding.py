"""Clients whose caches lie on a file system that does not tell upper from lower case.

Without `SELENITE_FOLDING_FOLDER`, a folder on one, this folder is not collected.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
from selenite import UnsafePathError
from support.bucket import OWNER, Gypsum, serving
from support.service import Gobbler
from support.tree import Tree, make, read

FILES: Tree = {"d/reads.txt": "small", "d/Reads.txt": "capital", "e": "other"}
FOLDERS: Tree = {"data/x": "one", "Data/y": "two"}
FORMS: Tree = {"\u00e4": "one letter", "A\u0308": "two"}


@pytest.fixture
def folding() -> Iterator[Path]:
    """An empty folder there."""
    with tempfile.TemporaryDirectory(dir=os.environ["SELENITE_FOLDING_FOLDER"]) as folder:
        (Path(folder) / "x").touch()
        assert (Path(folder) / "X").exists(), "it tells upper from lower case"
        (Path(folder) / "x").unlink()
        yield Path(folder)


@pytest.fixture
def gypsum(tmp_path: Path) -> Iterator[Gypsum]:
    """A service with the versions `files` and `folders` of `p/a`."""
    with serving() as service:
        gyp.create_project("p", "alice", **service.writer)
        for version, tree in (("files", FILES), ("folders", FOLDERS)):
            folder = make(tmp_path / version, tree)
            cache = tmp_path / "no-cache"
            gyp.upload_directory(
                folder, "p", "a", version, cache_dir=cache, url=service.url, token=OWNER
            )
        yield service


@pytest.fixture
def filled(gobbler: Gobbler, source: Callable[[Tree], str]) -> Gobbler:
    """The same in a Gobbler."""
    pyg.create_project("p", **gobbler.writer)
    for version, tree in (("files", FILES), ("folders", FOLDERS)):
        pyg.upload_directory("p", "a", version, source(tree), **gobbler.writer)
    return gobbler


def encoded(tree: Tree) -> Tree:
    return {name: str(text).encode() for name, text in tree.items()}


def content(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if not path.name.startswith(".."))


@pytest.mark.parametrize(
    ("version", "names"),
    [("files", {"d/reads.txt", "d/Reads.txt"}), ("folders", {"data", "Data"})],
)
def test_a_version_is_refused_by_name(
    filled: Gobbler, gypsum: Gypsum, folding: Path, version: str, names: set[str]
) -> None:
    with pytest.raises(UnsafePathError) as gobbler_error:
        pyg.fetch_directory(f"p/a/{version}", **filled.remote, cache=str(folding / "gobbler"))
    with pytest.raises(ValueError, match="upper from lower") as gypsum_error:
        gyp.save_version("p", "a", version, folding / "gypsum", url=gypsum.url)
    for message in (str(gobbler_error.value), str(gypsum_error.value)):
        assert all(f"`{name}`" in message for name in names)
    kept = content(folding)
    assert not {"reads.txt", "Reads.txt", "x", "y"} & set(kept)
    assert not [name for name in kept if name.startswith(".selenite")]


def test_a_second_file_is_refused_and_the_first_one_stays(
    filled: Gobbler, gypsum: Gypsum, folding: Path
) -> None:
    def gobbler(path: str) -> str:
        return pyg.fetch_file(f"p/a/{path}", **filled.remote, cache=str(folding / "gobbler"))

    def ours(path: str) -> str:
        version, _, file = path.partition("/")
        return gyp.save_file("p", "a", version, file, folding / "gypsum", url=gypsum.url)

    for fetch in (gobbler, ours):
        for first, second in (
            ("files/d/reads.txt", "files/d/Reads.txt"),
            ("folders/Data/y", "folders/data/y"),
            ("files/e", "Files/e"),
        ):
            kept = fetch(first)
            before = Path(kept).read_bytes()
            with pytest.raises(ValueError, match="upper from lower"):
                fetch(second)
            assert Path(kept).read_bytes() == before
            assert fetch(first) == kept


def test_a_clone_is_refused_before_anything_is_made(
    filled: Gobbler, gypsum: Gypsum, folding: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsafePathError):
        pyg.clone_version("p", "a", "files", str(folding / "clone"), filled.registry)
    with pytest.raises(ValueError, match="upper from lower"):
        gyp.clone_version(
            "p", "a", "files", folding / "clone", cache_dir=tmp_path / "cache", url=gypsum.url
        )
    assert content(folding) == []


def test_forms_of_a_letter_are_refused_only_where_they_are_one(
    filled: Gobbler, folding: Path, source: Callable[[Tree], str]
) -> None:
    pyg.upload_directory("p", "a", "forms", source(FORMS), **filled.writer)
    arguments: dict[str, Any] = {**filled.remote, "cache": str(folding / "gobbler")}
    first, second = FORMS
    (folding / first).touch()
    if (folding / second).exists():
        with pytest.raises(UnsafePathError):
            pyg.fetch_directory("p/a/forms", **arguments)
    else:
        there = Path(pyg.fetch_directory("p/a/forms", **arguments))
        assert {name: read(there)[name] for name in FORMS} == encoded(FORMS)


def test_others_are_fetched_as_ever(
    filled: Gobbler, folding: Path, source: Callable[[Tree], str]
) -> None:
    tree: Tree = {"Reads/a.txt": "1", "Reads/b.txt": "2", "meta": "3"}
    pyg.upload_directory("p", "a", "V-x", source(tree), **filled.writer)
    for _ in range(2):
        there = pyg.fetch_directory("p/a/V-x", **filled.remote, cache=str(folding / "g"))
        assert {name: read(Path(there))[name] for name in tree} == encoded(tree)
