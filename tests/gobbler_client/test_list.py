"""`list_projects`, `list_assets`, `list_versions` and `list_files`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import Gobbler
from support.tree import EMPTY, Tree

Build = Callable[[Tree], str]
INTERNAL = ["..manifest", "..summary"]


def test_projects_assets_and_versions_are_listed(
    sample: Gobbler, reader: dict[str, Any], source: Build
) -> None:
    pyg.create_project("Another project", **sample.writer)
    pyg.upload_directory("test", "b+c%41", "v 1", source({"x": "1"}), **sample.writer)
    pyg.upload_directory("test", "sample", "v2", source({"x": "1"}), **sample.writer)
    assert sorted(pyg.list_projects(**reader)) == ["Another project", "test"]
    assert pyg.list_assets("Another project", **reader) == []
    assert sorted(pyg.list_assets("test", **reader)) == ["b+c%41", "sample"]
    assert sorted(pyg.list_versions("test", "sample", **reader)) == ["v1", "v2"]
    assert pyg.list_versions("test", "b+c%41", **reader) == ["v 1"]


def test_an_empty_registry_has_no_projects(gobbler: Gobbler, reader: dict[str, Any]) -> None:
    assert pyg.list_projects(**reader) == []


def test_internal_directories_are_no_projects(sample: Gobbler, reader: dict[str, Any]) -> None:
    assert sample.path("..logs").is_dir()
    assert pyg.list_projects(**reader) == ["test"]


def test_missing_things_are_errors(
    sample: Gobbler, reader: dict[str, Any], is_remote: bool
) -> None:
    for call in (
        partial(pyg.list_assets, "nope", **reader),
        partial(pyg.list_versions, "test", "nope", **reader),
    ):
        if is_remote:
            with refused(500, "failed to obtain a directory listing; "):
                call()
        else:
            with pytest.raises(FileNotFoundError):
                call()


def test_a_registry_that_is_not_here_is_listed_over_http(sample: Gobbler) -> None:
    assert pyg.list_projects("/not/here", sample.url) == ["test"]
    assert pyg.list_assets("test", "/not/here", sample.url) == ["sample"]
    assert pyg.list_versions("test", "sample", "/not/here", sample.url) == ["v1"]
    files = pyg.list_files("test", "sample", "v1", "/not/here", sample.url)
    assert "deep/er/c.txt" in files


def test_a_local_listing_needs_no_url(sample: Gobbler) -> None:
    assert pyg.list_projects(sample.registry, None) == ["test"]


def test_directories_of_any_path_can_be_listed(sample: Gobbler, reader: dict[str, Any]) -> None:
    listed: Any = sys.modules["pygobbler.list_projects"].list_registry_directories
    remote = reader.get("force_remote", False)
    assert listed("test/sample", sample.registry, sample.url, remote) == ["v1"]


TREE: Tree = {
    "ab": "1",
    "a/b": "2",
    "a/bc/d.txt": "3",
    "a/bc/e/f": EMPTY,
    "x y/#?%+&'\"<é>": "4",
    "empty": EMPTY,
}
FILES = ["a/b", "a/bc/d.txt", "a/bc/e/f/", "ab", "empty/", "x y/#?%+&'\"<é>"]


@pytest.fixture
def rich(gobbler: Gobbler, source: Build) -> Gobbler:
    """A service with the version `test/rich/v1`, and `v2` made of links."""
    pyg.create_project("test", **gobbler.writer)
    for version in ("v1", "v2"):
        pyg.upload_directory("test", "rich", version, source(TREE), **gobbler.writer)
    return gobbler


def files(reader: dict[str, Any], **options: Any) -> list[str]:
    return pyg.list_files("test", "rich", "v1", **reader, **options)


def test_files_are_listed_with_internal_ones_in_order(
    rich: Gobbler, reader: dict[str, Any]
) -> None:
    found = files(reader)
    assert isinstance(found, list)
    assert found == sorted([*INTERNAL, *FILES])


def test_internal_files_can_be_left_out(rich: Gobbler, reader: dict[str, Any]) -> None:
    found = files(reader, include_dotdot=False)
    assert isinstance(found, list)
    assert found == FILES


def test_links_are_listed_as_files(rich: Gobbler, reader: dict[str, Any]) -> None:
    found = pyg.list_files("test", "rich", "v2", include_dotdot=False, **reader)
    assert found == FILES
    every = pyg.list_files("test", "rich", "v2", **reader)
    links = ["..links", "a/..links", "a/bc/..links", "x y/..links"]
    assert every == sorted([*INTERNAL, *links, *FILES])


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("a/", ["a/b", "a/bc/d.txt", "a/bc/e/f/"]),
        ("a/b", ["a/b", "a/bc/d.txt", "a/bc/e/f/"]),
        ("a/bc", ["a/bc/d.txt", "a/bc/e/f/"]),
        ("a/bc/", ["a/bc/d.txt", "a/bc/e/f/"]),
        ("a/bc/e", ["a/bc/e/f/"]),
        ("a", ["a/b", "a/bc/d.txt", "a/bc/e/f/", "ab"]),
        ("x y/#?%", ["x y/#?%+&'\"<é>"]),
        ("nope", []),
        ("a/nope", []),
        ("", FILES),
    ],
)
@pytest.mark.parametrize("include_dotdot", [True, False])
def test_a_prefix_selects(
    rich: Gobbler, reader: dict[str, Any], prefix: str, expected: list[str], include_dotdot: bool
) -> None:
    found = files(reader, prefix=prefix, include_dotdot=include_dotdot)
    internal = INTERNAL if prefix == "" and include_dotdot else []
    assert found == sorted([*internal, *expected])


def test_a_missing_version_has_no_files_locally_and_is_an_error_remotely(
    rich: Gobbler, reader: dict[str, Any], is_remote: bool
) -> None:
    if is_remote:
        with refused(500, "failed to obtain a directory listing; "):
            pyg.list_files("test", "rich", "nope", **reader)
    else:
        assert pyg.list_files("test", "rich", "nope", **reader) == []
