from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pygobbler as pyg
import pytest
from support.service import Gobbler
from support.tree import EMPTY, Link, Tree, read

Build = Callable[[Tree], str]
VERSION = ("test", "sample", "v1")


def test_every_file_becomes_a_link_into_the_registry(sample: Gobbler, tmp_path: Path) -> None:
    clone = tmp_path / "some" / "clone"
    pyg.clone_version(*VERSION, str(clone), registry=sample.registry)
    base = f"{sample.registry}/test/sample/v1"
    assert read(clone) == {
        "a.txt": Link(f"{base}/a.txt"),
        "deep/b.txt": Link(f"{base}/deep/b.txt"),
        "deep/er/c.txt": Link(f"{base}/deep/er/c.txt"),
    }


def test_a_clone_can_be_uploaded_and_costs_nothing(sample: Gobbler) -> None:
    before = pyg.fetch_usage("test", **sample.local)
    clone = pyg.allocate_upload_directory(sample.staging, create=False)
    pyg.clone_version(*VERSION, clone, registry=sample.registry)
    Path(clone, "new").write_text("new")
    pyg.upload_directory("test", "sample", "v2", clone, **sample.writer)
    assert pyg.fetch_usage("test", **sample.local) == before + 3
    pyg.validate_version("test", "sample", "v2", **sample.writer)


@pytest.mark.parametrize("in_staging", [True, False])
def test_empty_directories_survive_a_round_trip(
    sample: Gobbler, source: Build, tmp_path: Path, in_staging: bool
) -> None:
    tree: Tree = {"empty/er": EMPTY, "file": "x"}
    pyg.upload_directory("test", "hollow", "v1", source(tree), **sample.writer)
    clone = os.path.join(sample.staging if in_staging else tmp_path, "clone")
    pyg.clone_version("test", "hollow", "v1", clone, registry=sample.registry)
    assert Path(clone, "empty", "er").is_dir()
    assert not Path(clone, "empty", "er").is_symlink()
    pyg.upload_directory("test", "hollow", "v2", clone, **sample.writer)
    assert sorted(sample.read("test", "hollow", "v2", "..manifest")) == ["empty/er", "file"]


def test_a_relative_registry_gives_links_that_work(
    sample: Gobbler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = os.path.relpath(sample.registry)
    pyg.clone_version(*VERSION, "clone", registry=registry)
    assert Path("clone", "a.txt").read_text() == "alpha"


def test_an_existing_entry_stops_it_before_anything_is_made(
    sample: Gobbler, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    (clone / "deep" / "er").mkdir(parents=True)
    (clone / "deep" / "er" / "c.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        pyg.clone_version(*VERSION, str(clone), registry=sample.registry)
    assert read(clone) == {"deep/er/c.txt": b"mine"}


def test_missing_things_are_file_not_found(sample: Gobbler, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone")
    with pytest.raises(FileNotFoundError):
        pyg.clone_version("test", "sample", "nope", clone, registry=sample.registry)
    with pytest.raises(FileNotFoundError):
        pyg.clone_version(*VERSION, clone, registry=str(tmp_path / "nowhere"))
    assert not os.path.lexists(clone)


@pytest.mark.parametrize("key", ["../x", "/x", "a/../../x", "deep/../../x", "", ".", "a//b"])
def test_manifest_keys_that_leave_the_destination_are_refused(
    sample: Gobbler, tmp_path: Path, key: str
) -> None:
    file = sample.path(*VERSION, "..manifest")
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, key: {"size": 1, "md5sum": "x"}}))
    clone = tmp_path / "inner" / "clone"
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"path|key|component|empty"):
        pyg.clone_version(*VERSION, str(clone), registry=sample.registry)
    assert sorted(tmp_path.iterdir()) == before
