from __future__ import annotations

import os
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import registry_state


def test_a_new_project_belongs_to_its_creator(gobbler: Gobbler) -> None:
    pyg.create_project("test", **gobbler.writer)
    assert gobbler.read("test", "..permissions") == {"owners": [USER], "uploaders": []}
    assert gobbler.read("test", "..usage") == {"total": 0}
    assert pyg.list_projects(**gobbler.local) == ["test"]


def test_owners_and_uploaders_are_kept_as_given(gobbler: Gobbler) -> None:
    uploaders: list[dict[str, Any]] = [
        {"id": "urmom", "asset": "foo", "version": "bar", "until": "2050-01-01T00:00:00Z"},
        {"id": "anyone", "trusted": True},
    ]
    pyg.create_project("test", owners=["b", "a"], uploaders=uploaders, **gobbler.writer)
    assert gobbler.read("test", "..permissions") == {"owners": ["b", "a"], "uploaders": uploaders}


def test_uploaders_alone_keep_the_creator_as_owner(gobbler: Gobbler) -> None:
    pyg.create_project("test", uploaders=[{"id": "urmom"}], **gobbler.writer)
    expected = {"owners": [USER], "uploaders": [{"id": "urmom"}]}
    assert gobbler.read("test", "..permissions") == expected


def test_an_empty_list_of_owners_stays_empty(gobbler: Gobbler) -> None:
    pyg.create_project("test", owners=[], **gobbler.writer)
    assert gobbler.read("test", "..permissions") == {"owners": [], "uploaders": []}


def test_an_existing_project_is_refused_and_kept(sample: Gobbler) -> None:
    before = registry_state(sample.registry)
    with refused(400, "project directory"):
        pyg.create_project("test", **sample.writer)
    assert registry_state(sample.registry) == before


def test_only_administrators_create_projects(stranger: Gobbler) -> None:
    with refused(403, f'user "{USER}" is not authorized to create a project'):
        pyg.create_project("test", **stranger.writer)
    assert pyg.list_projects(**stranger.local) == []


@pytest.mark.parametrize("name", ["", "..", "..x", ".", "a/b", "/a", "a\\b", "../a", "x" * 256])
def test_bad_names_are_refused(gobbler: Gobbler, name: str) -> None:
    with refused(400, "invalid project name; "):
        pyg.create_project(name, **gobbler.writer)
    assert pyg.list_projects(**gobbler.local) == []


@pytest.mark.parametrize(
    "uploaders", [[{}], [{"asset": "a"}], [{"id": "a"}, {"id": "b", "until": "yesterday"}]]
)
def test_bad_uploaders_are_refused_and_leave_nothing(
    gobbler: Gobbler, uploaders: list[dict[str, str]]
) -> None:
    with refused(400, "invalid 'permissions.uploaders' in the request details; "):
        pyg.create_project("test", uploaders=uploaders, **gobbler.writer)
    assert pyg.list_projects(**gobbler.local) == []
    pyg.create_project("test", **gobbler.writer)


def test_no_request_file_stays_in_staging(gobbler: Gobbler) -> None:
    pyg.create_project("test", **gobbler.writer)
    with refused(400):
        pyg.create_project("test", **gobbler.writer)
    assert os.listdir(gobbler.staging) == []
