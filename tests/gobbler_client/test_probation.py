"""`approve_probation` and `reject_probation`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler, Service
from support.tree import Tree, registry_state

Build = Callable[[Tree], str]
VERSION = ("test", "sample", "v2")


@pytest.fixture
def probational(sample: Gobbler, source: Build) -> Gobbler:
    """`sample` with a further version `v2` on probation."""
    directory = source({"a.txt": "alpha", "n": "new"})
    pyg.upload_directory(*VERSION, directory, probation=True, **sample.writer)
    return sample


def test_an_approved_version_becomes_the_latest(probational: Gobbler) -> None:
    # The times of a summary are whole seconds: make the first version older by one.
    older = probational.path("test", "sample", "v1", "..summary")
    older.write_text(
        '{"upload_user_id": "x", "upload_start": "2020-01-01T00:00:00Z",'
        ' "upload_finish": "2020-01-01T00:00:00Z"}'
    )
    pyg.approve_probation(*VERSION, **probational.writer)
    assert "on_probation" not in probational.read(*VERSION, "..summary")
    assert pyg.fetch_latest("test", "sample", **probational.local) == "v2"


def test_an_older_version_does_not_become_the_latest_by_approval(
    probational: Gobbler, source: Build
) -> None:
    newer = probational.path("test", "sample", "v1", "..summary")
    newer.write_text(
        '{"upload_user_id": "x", "upload_start": "2090-01-01T00:00:00Z",'
        ' "upload_finish": "2090-01-01T00:00:00+00:00"}'
    )
    pyg.approve_probation(*VERSION, **probational.writer)
    assert "on_probation" not in probational.read(*VERSION, "..summary")
    assert pyg.fetch_latest("test", "sample", **probational.local) == "v1"


def test_a_rejected_version_is_gone_with_its_usage(probational: Gobbler) -> None:
    assert pyg.fetch_usage("test", **probational.local) == len("alphabetagamma") + len("new")
    pyg.reject_probation(*VERSION, **probational.writer)
    assert pyg.list_versions("test", "sample", **probational.local) == ["v1"]
    assert pyg.fetch_usage("test", **probational.local) == len("alphabetagamma")
    assert pyg.fetch_latest("test", "sample", **probational.local) == "v1"


@pytest.mark.parametrize("act", [pyg.approve_probation, pyg.reject_probation])
def test_a_version_that_is_not_on_probation_is_refused(
    sample: Gobbler, act: Callable[..., None]
) -> None:
    before = registry_state(sample.registry)
    with refused(500, "version directory at ") as caught:
        act("test", "sample", "v1", **sample.writer)
    assert caught.value.args[1].endswith("is not on probation")
    assert registry_state(sample.registry) == before


@pytest.mark.parametrize("act", [pyg.approve_probation, pyg.reject_probation])
def test_missing_things_are_named(sample: Gobbler, act: Callable[..., None]) -> None:
    with refused(404, "project nope does not exist"):
        act("nope", "sample", "v1", **sample.writer)
    with refused(404, "asset nope does not exist in project test"):
        act("test", "nope", "v1", **sample.writer)
    with refused(404, "version nope does not exist for asset sample of project test"):
        act("test", "sample", "nope", **sample.writer)


@pytest.mark.parametrize("act", [pyg.approve_probation, pyg.reject_probation])
def test_strangers_may_not_decide(tmp_path: Path, source: Build, act: Callable[..., None]) -> None:
    root = tmp_path / "two"
    with Service(root) as service:
        writer = service.gobbler.writer
        pyg.create_project("test", owners=["somebody-else"], **writer)
        pyg.upload_directory(*VERSION, source({"a": "1"}), probation=True, **writer)
    with Service(root, admin=[]) as service:
        reason = f'user "{USER}" is not authorized to modify probation status in '
        with refused(403, reason):
            act(*VERSION, **service.gobbler.writer)


def test_an_unreadable_manifest_stops_rejection_unless_forced(probational: Gobbler) -> None:
    probational.path(*VERSION, "..manifest").write_text("{")
    with refused(500):
        pyg.reject_probation(*VERSION, **probational.writer)
    assert sorted(pyg.list_versions("test", "sample", **probational.local)) == ["v1", "v2"]
    pyg.reject_probation(*VERSION, force=True, **probational.writer)
    assert pyg.list_versions("test", "sample", **probational.local) == ["v1"]
