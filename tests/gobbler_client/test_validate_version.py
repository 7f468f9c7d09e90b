from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import Link, Tree, registry_state

Build = Callable[[Tree], str]
VERSION = ("test", "sample", "v1")


def edit(gobbler: Gobbler, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of the sample."""
    file = gobbler.path(*VERSION, "..manifest")
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def refused_as(gobbler: Gobbler, reason: str) -> None:
    with refused(500, "failed to validate project; " + reason):
        pyg.validate_version(*VERSION, **gobbler.writer)


def test_a_good_version_validates_and_nothing_is_written(sample: Gobbler) -> None:
    before = registry_state(sample.registry)
    pyg.validate_version(*VERSION, **sample.writer)
    assert registry_state(sample.registry) == before


def test_an_extra_file_is_reported(sample: Gobbler) -> None:
    sample.path(*VERSION, "whee").write_text("stuff")
    refused_as(sample, 'extra file "whee" is not present in manifest for directory ')


def test_a_missing_file_is_reported(sample: Gobbler) -> None:
    sample.path(*VERSION, "a.txt").unlink()
    refused_as(sample, '"a.txt" listed in manifest cannot be found in directory ')


def test_a_changed_size_is_reported(sample: Gobbler) -> None:
    sample.path(*VERSION, "a.txt").write_text("longer than before")
    refused_as(sample, 'incorrect size in manifest for "a.txt" in directory ')


def test_changed_content_is_reported(sample: Gobbler) -> None:
    sample.path(*VERSION, "a.txt").write_text("ALPHA")
    refused_as(sample, 'incorrect MD5 checksum in manifest for "a.txt" in directory ')


def test_an_unexpected_link_is_reported(sample: Gobbler) -> None:
    link = {"project": "test", "asset": "sample", "version": "v1", "path": "a.txt"}
    edit(sample, lambda manifest: manifest["deep/b.txt"].update(link=link))
    refused_as(sample, 'mismatching link information for "deep/b.txt" in directory ')


def test_all_faults_are_listed(sample: Gobbler) -> None:
    sample.path(*VERSION, "a.txt").write_text("ALPHA")
    sample.path(*VERSION, "deep", "b.txt").unlink()
    sample.path(*VERSION, "whee").write_text("stuff")
    names = dict(zip(("project", "asset", "version"), VERSION, strict=True))
    answer = sample.request("validate_version", names)
    assert answer.status == 500
    details = answer.json()["details"]
    assert len(details) == 3
    for path, text in zip(["a.txt", "deep/b.txt", "whee"], details, strict=True):
        assert f'"{path}"' in text
    assert answer.reason.startswith("failed to validate project; ")
    assert answer.reason.endswith(details[0])


def test_faults_come_in_the_order_of_a_walk(gobbler: Gobbler, source: Build) -> None:
    names = ["d/b", "d/e/x", "d-", "gone/x", "m", "n"]
    pyg.create_project("test", **gobbler.writer)
    pyg.upload_directory("test", "sample", "v1", source(dict.fromkeys(names, "")), **gobbler.writer)
    folder = gobbler.path(*VERSION)
    for old, new in [("d/b", "d/a"), ("d/e/x", "d/c"), ("m", "a"), ("gone", "z"), ("d-", "d.")]:
        (folder / old).rename(folder / new)
    (folder / "n").write_text("wrong")
    asked = dict(zip(("project", "asset", "version"), VERSION, strict=True))
    details = gobbler.request("validate_version", asked).json()["details"]
    found = [detail.split('"')[1] for detail in details]
    # What a directory lacks comes first; `d/` is walked before `d.` though it sorts after it.
    lacks, has = ["d-", "gone/x", "m"], ["a", "d/b", "d/a", "d/c", "d/e/x", "d.", "n", "z/x"]
    assert sorted(found) == sorted([*lacks, *has, "d/e"])
    assert found == [*lacks, "a", "d/b", "d/a", "d/c", "d/e", "d/e/x", "d.", "n", "z/x"]


def test_a_link_to_a_deduplicated_file_is_valid(sample: Gobbler, source: Build) -> None:
    tree: Tree = {"a.txt": "alpha", "b": Link("a.txt"), "c": Link("b")}
    pyg.upload_directory("test", "sample", "v2", source(tree), **sample.writer)
    pyg.validate_version("test", "sample", "v2", **sample.writer)
    pyg.reindex_version("test", "sample", "v2", **sample.writer)
    pyg.validate_version("test", "sample", "v2", **sample.writer)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"upload_user_id": "", "upload_start": "2020-01-01T00:00:00Z"}', "invalid 'upload_user_"),
        ('{"upload_user_id": "a", "upload_start": "noon"}', "could not parse 'upload_start' from"),
        ("{", "failed to read the summary file at "),
    ],
)
def test_a_bad_summary_is_reported(sample: Gobbler, text: str, reason: str) -> None:
    sample.path(*VERSION, "..summary").write_text(text)
    with refused(500, reason):
        pyg.validate_version(*VERSION, **sample.writer)


def test_missing_things_are_named(sample: Gobbler) -> None:
    with refused(404, "version nope does not exist for asset sample of project test"):
        pyg.validate_version("test", "sample", "nope", **sample.writer)


def test_only_administrators_validate(stranger: Gobbler) -> None:
    with refused(403, f"user '{USER}' is not authorized to validate 'test'"):
        pyg.validate_version(*VERSION, **stranger.writer)
