"""File systems that tell a full quota late, have no locks, or end at a link."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gypsum_client as gyp
import pygobbler as pyg
import pytest
from support.bucket import OWNER, Gypsum, serving
from support.file_systems import failing_close, run
from support.memory import memory
from support.service import Gobbler
from support.tree import make, read

SMALL, MEDIUM, LARGE = b"x", b"y" * 200_000, b"z" * (9 << 20)
FILES = {"small": SMALL, "medium": MEDIUM, "large": LARGE}


@pytest.fixture
def gypsum(tmp_path: Path) -> Iterator[Gypsum]:
    """A service with the version `p/a/v`."""
    with serving() as service:
        gyp.create_project("p", "alice", **service.writer)
        folder = make(tmp_path / "source", {**FILES, "d/e": "deep"})
        cache = tmp_path / "no-cache"
        gyp.upload_directory(folder, "p", "a", "v", cache_dir=cache, url=service.url, token=OWNER)
        yield service


def test_a_download_or_upload_that_fails_at_its_end_is_no_success(
    gobbler: Gobbler, gypsum: Gypsum, tmp_path: Path
) -> None:
    folder = make(tmp_path / "files", FILES)
    pyg.create_project("p", staging=gobbler.staging, url=gobbler.url)
    pyg.upload_directory("p", "a", "v", str(folder), gobbler.staging, gobbler.url)
    code = """
        import os, sys
        import gypsum_client as gyp, pygobbler as pyg
        from selenite import _core
        folder, staging, registry, url, gypsum, cache = sys.argv[1:]
        def attempt(name, below, call, *arguments, **options):
            os.environ["CLOSE_FAILS_BELOW"] = below
            try:
                call(*arguments, **options)
                result = "success"
            except OSError as error:
                result = error.errno
            os.environ["CLOSE_FAILS_BELOW"] = ""
            print(name, result)
        for verify in ("download", "off"):
            os.environ["SELENITE_VERIFY"] = verify
            for file in ("small", "medium", "large"):
                attempt(file, cache, pyg.fetch_file, "p/a/v/" + file, registry, url, cache, True)
            attempt("object", cache, gyp.save_file, "p", "a", "v", "medium", cache, url=gypsum)
        os.environ["SELENITE_VERIFY"] = "download"
        attempt("manifest", cache, pyg.fetch_manifest, "p", "a", "v", registry, url, cache, True)
        attempt("record", cache, gyp.fetch_summary, "p", "a", "v", cache_dir=cache, url=gypsum)
        attempt("download", cache, _core.gypsum_download, (url + "/", True), cache + "/x", "any")
        attempt("private", cache, _core.store_private, cache + "/private/token", "secret")
        attempt("upload", staging, pyg.upload_directory, "p", "a", "w", folder, staging, url)
        attempt("request", staging, pyg.create_project, "q", staging=staging, url=url)
    """
    (cache := tmp_path / "cache").mkdir()
    place = (gobbler.staging, gobbler.registry, gobbler.url, gypsum.url)
    told = run(code, folder, *place, cache, **failing_close(tmp_path))
    names = [*FILES, "object"] * 2
    names += ["manifest", "record", "download", "private", "upload", "request"]
    assert told == [f"{name} {errno.EDQUOT}" for name in names]
    named = {path.name for path in cache.rglob("*") if path.is_file()}
    assert {name for name in named if not name.endswith((".part", "LOCK"))} == set()
    assert os.listdir(gobbler.staging) == []
    assert pyg.list_versions("p", "a", gobbler.registry, gobbler.url) == ["v"]


def test_a_registry_whose_disk_is_full_at_the_end_gets_no_version(tmp_path: Path) -> None:
    folder = make(tmp_path / "files", FILES)
    code = """
        import os, sys
        import pygobbler as pyg, requests
        folder, base = sys.argv[1:]
        os.environ["CLOSE_FAILS_BELOW"] = base + "/registry/p/a"
        staging, registry = base + "/staging", base + "/registry"
        _, _, _, url = pyg.start_gobbler(staging=staging, registry=registry)
        pyg.create_project("p", staging=staging, url=url)
        try:
            pyg.upload_directory("p", "a", "v", folder, staging, url, consume=False)
        except requests.HTTPError as error:
            print("quota" in str(error).lower(), os.path.exists(registry + "/p/a/v"))
        pyg.stop_gobbler()
    """
    (tmp_path / "staging").mkdir()
    (tmp_path / "registry").mkdir()
    assert run(code, folder, tmp_path, **failing_close(tmp_path)) == ["True False"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_work_goes_on_with_one_warning(
    gypsum: Gypsum, tmp_path: Path, number: int
) -> None:
    code = """
        import sys, warnings
        import gypsum_client as gyp
        from gypsum_client._locks import locked
        from gypsum_client._utils import _acquire_lock, _release_lock
        from selenite import SeleniteWarning
        from support.file_systems import forbid_flock
        cache, url, number = sys.argv[1:]
        forbid_flock(int(number))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            gyp.save_version("p", "a", "v", cache, url=url)
            gyp.save_version("p", "a", "v", cache, True, url=url)
            with locked(cache + "/databases/x"):
                _acquire_lock(cache, "p", "a", "v")
                _release_lock("p", "a", "v")
        print(*[warning.category is SeleniteWarning for warning in seen])
    """
    assert run(code, tmp_path / "cache", gypsum.url, number) == ["True"]
    assert (tmp_path / "cache/bucket/p/a/v/small").read_bytes() == SMALL


@pytest.fixture
def other() -> Iterator[Path]:
    """A folder on another file system."""
    folder = memory(64 << 20)
    if folder is None:
        pytest.skip("there is no other file system here")
    with tempfile.TemporaryDirectory(dir=folder) as other:
        yield Path(other)


def test_a_cache_may_be_spread_over_file_systems(
    gobbler: Gobbler, gypsum: Gypsum, tmp_path: Path, other: Path
) -> None:
    folder = make(tmp_path / "files", FILES)
    pyg.create_project("p", staging=gobbler.staging, url=gobbler.url)
    for version in ("v", "w"):  # the second one is links to the first
        pyg.upload_directory("p", "a", version, str(folder), gobbler.staging, gobbler.url)
    ours, theirs = tmp_path / "gypsum", tmp_path / "gobbler"
    (ours / "bucket").mkdir(parents=True)
    (ours / "bucket/p").symlink_to(other, target_is_directory=True)
    for overwrite in (False, True):
        gyp.save_version("p", "a", "v", ours, overwrite, url=gypsum.url)
        names = sorted(path.name for path in (other / "a/v").iterdir())
        assert names == ["..manifest", "..summary", "d", *sorted(FILES)]
    pyg.fetch_manifest("p", "a", "v", gobbler.registry, gobbler.url, str(theirs), force_remote=True)
    shutil.rmtree(theirs / "TEMP", ignore_errors=True)
    root = next(theirs.rglob("TEMP")).parent
    (other / "scratch").mkdir()
    shutil.rmtree(root / "TEMP")
    (root / "TEMP").symlink_to(other / "scratch", target_is_directory=True)
    for version in ("v", "w"):
        there = pyg.fetch_directory(
            f"p/a/{version}", gobbler.registry, gobbler.url, str(theirs), force_remote=True
        )
        assert {name: read(Path(there))[name] for name in FILES} == FILES
    assert list((other / "scratch").iterdir()) == []


def test_a_part_of_a_complete_version_needs_no_network(sample: Gobbler, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    there = pyg.fetch_directory(
        "test/sample/v1", sample.registry, sample.url, cache, force_remote=True
    )
    folders = sorted(path for path in Path(there).rglob("*") if path.is_dir())
    assert folders != []
    root = next(Path(cache).iterdir())
    # The same cache for a service that is not there.
    nowhere = "http://127.0.0.1:9"
    root.rename(root.with_name("http%3A%2F%2F127.0.0.1%3A9"))
    for folder in folders:
        part = "test/sample/v1/" + str(folder.relative_to(there))
        found = pyg.fetch_directory(part, sample.registry, nowhere, cache, force_remote=True)
        assert found.endswith(part)
