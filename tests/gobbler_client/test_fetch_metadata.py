"""`fetch_manifest`, `fetch_summary`, `fetch_permissions`, `fetch_latest` and `fetch_usage`."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import SAMPLE, Tree, expected_manifest

Build = Callable[[Tree], str]
VERSION = ("test", "sample", "v1")


def test_the_manifest_lists_sizes_and_checksums(sample: Gobbler, fetcher: dict[str, Any]) -> None:
    expected = expected_manifest(SAMPLE, *VERSION)
    assert pyg.fetch_manifest(*VERSION, **fetcher) == expected
    assert pyg.fetch_manifest(*VERSION, **fetcher) == expected


def test_the_summary_tells_who_and_when(sample: Gobbler, fetcher: dict[str, Any]) -> None:
    summary = pyg.fetch_summary(*VERSION, **fetcher)
    assert summary["upload_user_id"] == USER
    start = datetime.datetime.fromisoformat(summary["upload_start"])
    finish = datetime.datetime.fromisoformat(summary["upload_finish"])
    assert start <= finish
    assert "on_probation" not in summary


def test_the_latest_version(sample: Gobbler, reader: dict[str, Any], source: Build) -> None:
    assert pyg.fetch_latest("test", "sample", **reader) == "v1"
    pyg.upload_directory("test", "sample", "v2", source({"x": "1"}), **sample.writer)
    assert pyg.fetch_latest("test", "sample", **reader) == "v2"
    assert pyg.fetch_latest("test", "nope", **reader) is None
    assert pyg.fetch_latest("nope", "nope", **reader) is None


def test_the_usage(sample: Gobbler, reader: dict[str, Any]) -> None:
    assert pyg.fetch_usage("test", **reader) == len("alphabetagamma")


def test_permissions_of_projects_and_assets(sample: Gobbler, reader: dict[str, Any]) -> None:
    assert pyg.fetch_permissions("test", **reader) == {"owners": [USER], "uploaders": []}
    nothing: dict[str, Any] = {"owners": [], "uploaders": []}
    assert pyg.fetch_permissions("test", asset="sample", **reader) == nothing
    assert pyg.fetch_permissions("nope", asset="nope", **reader) == nothing
    pyg.set_permissions(
        "test", asset="sample", owners=["ann"], registry=sample.registry, **sample.writer
    )
    found = pyg.fetch_permissions("test", asset="sample", **reader)
    assert found == {"owners": ["ann"], "uploaders": []}


def test_null_lists_are_empty_lists(sample: Gobbler, reader: dict[str, Any]) -> None:
    sample.path("test", "sample", "..permissions").write_text('{"owners":null,"uploaders":null}')
    found = pyg.fetch_permissions("test", asset="sample", **reader)
    assert found == {"owners": [], "uploaders": []}


def test_missing_things_are_errors(
    sample: Gobbler, fetcher: dict[str, Any], reader: dict[str, Any], is_remote: bool
) -> None:
    for call in (
        lambda: pyg.fetch_usage("nope", **reader),
        lambda: pyg.fetch_permissions("nope", **reader),
        lambda: pyg.fetch_manifest("test", "sample", "nope", **fetcher),
        lambda: pyg.fetch_summary("test", "sample", "nope", **fetcher),
    ):
        if is_remote:
            with refused(404):
                call()
        else:
            with pytest.raises(FileNotFoundError):
                call()


def test_documents_that_are_not_json_are_errors(
    sample: Gobbler, fetcher: dict[str, Any], reader: dict[str, Any]
) -> None:
    for path in (
        (*VERSION, "..manifest"),
        (*VERSION, "..summary"),
        ("test", "..usage"),
        ("test", "..permissions"),
        ("test", "sample", "..latest"),
    ):
        sample.path(*path).write_text("{")
    for call in (
        lambda: pyg.fetch_usage("test", **reader),
        lambda: pyg.fetch_permissions("test", **reader),
        lambda: pyg.fetch_latest("test", "sample", **reader),
        lambda: pyg.fetch_manifest(*VERSION, **fetcher),
        lambda: pyg.fetch_summary(*VERSION, **fetcher),
    ):
        with pytest.raises(json.JSONDecodeError):
            call()


def test_remote_manifests_are_cached(sample: Gobbler, remote: dict[str, Any]) -> None:
    first = pyg.fetch_manifest(*VERSION, **remote)
    cached = [path for path in Path(remote["cache"]).rglob("..manifest") if path.is_file()]
    assert len(cached) == 1
    assert cached[0].as_posix().endswith("/REGISTRY/test/sample/v1/..manifest")
    sample.path(*VERSION, "..manifest").write_text("{}")
    assert pyg.fetch_manifest(*VERSION, **remote) == first
    assert pyg.fetch_manifest(*VERSION, **remote, overwrite=True) == {}


def test_the_summary_of_an_approved_version_is_not_stale(
    sample: Gobbler, source: Build, remote: dict[str, Any]
) -> None:
    names = ("test", "sample", "v2")
    pyg.upload_directory(*names, source({"x": "1"}), probation=True, **sample.writer)
    assert pyg.fetch_summary(*names, **remote)["on_probation"] is True
    pyg.approve_probation(*names, **sample.writer)
    assert "on_probation" not in pyg.fetch_summary(*names, **remote)


def test_metadata_that_changes_is_never_cached(sample: Gobbler, remote: dict[str, Any]) -> None:
    del remote["cache"]
    assert pyg.fetch_usage("test", **remote) == 14
    sample.path("test", "..usage").write_text('{"total": 15}')
    assert pyg.fetch_usage("test", **remote) == 15
    sample.path("test", "sample", "..latest").write_text('{"version": "other"}')
    assert pyg.fetch_latest("test", "sample", **remote) == "other"


@pytest.mark.parametrize("name", ["..", "../x", "/etc", ".", "a/../../b", ""])
def test_names_that_leave_the_registry_are_refused(
    sample: Gobbler, fetcher: dict[str, Any], reader: dict[str, Any], name: str
) -> None:
    for call in (
        lambda: pyg.fetch_usage(name, **reader),
        lambda: pyg.fetch_latest("test", name, **reader),
        lambda: pyg.fetch_permissions("test", asset=name, **reader),
        lambda: pyg.fetch_manifest("test", "sample", name, **fetcher),
        lambda: pyg.fetch_summary("test", name, "v1", **fetcher),
    ):
        with pytest.raises(ValueError, match=r".+"):
            call()
