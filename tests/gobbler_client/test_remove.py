"""`remove_project`, `remove_asset` and `remove_version`."""

from __future__ import annotations

import os
from collections.abc import Callable

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import Tree, registry_state

Build = Callable[[Tree], str]


@pytest.fixture
def two(sample: Gobbler, source: Build) -> Gobbler:
    """`sample` with a second version and a second asset."""
    pyg.upload_directory(
        "test", "sample", "v2", source({"a.txt": "alpha", "n": "new"}), **sample.writer
    )
    pyg.upload_directory("test", "other", "v1", source({"x": "12345"}), **sample.writer)
    return sample


def test_a_removed_version_takes_its_usage_and_latest_with_it(two: Gobbler) -> None:
    pyg.remove_version("test", "sample", "v2", **two.writer)
    assert pyg.list_versions("test", "sample", **two.local) == ["v1"]
    assert pyg.fetch_latest("test", "sample", **two.local) == "v1"
    assert pyg.fetch_usage("test", **two.local) == len("alphabetagamma") + 5
    pyg.remove_version("test", "sample", "v1", **two.writer)
    assert pyg.fetch_latest("test", "sample", **two.local) is None
    assert pyg.fetch_usage("test", **two.local) == 5


def test_a_removed_asset_takes_its_usage_with_it(two: Gobbler) -> None:
    pyg.remove_asset("test", "sample", **two.writer)
    assert pyg.list_assets("test", **two.local) == ["other"]
    assert pyg.fetch_usage("test", **two.local) == 5


def test_a_removed_project_is_gone(two: Gobbler) -> None:
    pyg.remove_project("test", **two.writer)
    assert pyg.list_projects(**two.local) == []
    assert not two.path("test").exists()
    pyg.create_project("test", **two.writer)
    assert pyg.fetch_usage("test", **two.local) == 0


def test_removing_what_is_not_there_succeeds(two: Gobbler) -> None:
    before = registry_state(two.registry)
    pyg.remove_project("nope", **two.writer)
    pyg.remove_asset("test", "nope", **two.writer)
    pyg.remove_asset("nope", "nope", **two.writer)
    pyg.remove_version("test", "sample", "nope", **two.writer)
    pyg.remove_version("nope", "nope", "nope", **two.writer)
    assert registry_state(two.registry) == before


def test_unreadable_versions_are_removed_only_by_force(two: Gobbler) -> None:
    two.path("test", "sample", "v2", "..manifest").write_text("{")
    with refused(500):
        pyg.remove_version("test", "sample", "v2", **two.writer)
    with refused(500):
        pyg.remove_asset("test", "sample", **two.writer)
    assert sorted(pyg.list_versions("test", "sample", **two.local)) == ["v1", "v2"]
    pyg.remove_version("test", "sample", "v2", force=True, **two.writer)
    assert pyg.list_versions("test", "sample", **two.local) == ["v1"]
    two.path("test", "sample", "v1", "..manifest").write_text("{")
    pyg.remove_asset("test", "sample", force=True, **two.writer)
    assert pyg.list_assets("test", **two.local) == ["other"]


REMOVALS: list[tuple[Callable[..., None], int]] = [
    (pyg.remove_project, 1),
    (pyg.remove_asset, 2),
    (pyg.remove_version, 3),
]


@pytest.mark.parametrize(("remove", "count"), REMOVALS)
def test_only_administrators_remove(
    stranger: Gobbler, remove: Callable[..., None], count: int
) -> None:
    stranger.path("p", "a", "v").mkdir(parents=True)
    with refused(403, f'user "{USER}" is not authorized to delete a project'):
        remove(*["p", "a", "v"][:count], **stranger.writer)
    assert stranger.path("p", "a", "v").is_dir()


@pytest.mark.parametrize(("remove", "count"), REMOVALS)
@pytest.mark.parametrize("name", ["", ".", "..", "../..", "..logs", "a/b", "/"])
def test_names_that_would_reach_further_are_refused(
    two: Gobbler, remove: Callable[..., None], count: int, name: str
) -> None:
    for position in range(count):
        names = ["test", "sample", "v1"][:count]
        names[position] = name
        before = registry_state(two.registry)
        with refused(400):
            remove(*names, **two.writer)
        assert registry_state(two.registry) == before
    assert os.listdir(two.staging) == []
