"""Whatever is uploaded comes back: through links, deduplication and any number of processes."""

from __future__ import annotations

import itertools
import os
import shutil
import string
from collections.abc import Iterator
from pathlib import Path

import gypsum_client as gyp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import bucket as support
from support.bucket import Gypsum
from support.effort import cases
from support.tree import make, read

# What no path of a registry can have, and what file systems do not tell apart everywhere.
FORBIDDEN = "/\\\0"
NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "..a"[1:], "x.LOCK", "a b", "é", "中", "%41", "?", "#", "+", "&=", "~"]
    ),
    st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=FORBIDDEN),
        min_size=1,
        max_size=12,
    ),
).filter(
    lambda name: (
        not name.startswith("..")
        and name != "."
        and not (name[1:] == ":" and name[0] in string.ascii_letters)
        and len(name.encode()) <= 100
    )
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(
    st.sampled_from([b"", b"same", b"other"]), st.binary(max_size=200), st.just(b"large" * 30_000)
)
TREES = st.dictionaries(PATHS, CONTENTS, max_size=8).filter(
    lambda tree: (
        not any(one != other and other.startswith(one + "/") for one in tree for other in tree)
    )
)
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gypsum]:
    """One service for all examples."""
    with support.serving() as running:
        gyp.create_project("p", "alice", **running.writer)
        yield running


@settings(
    max_examples=cases(40),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=TREES, second=TREES)
def test_what_is_uploaded_comes_back(
    service: Gypsum, tmp_path: Path, first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    number = next(numbers)
    asset = f"a{number}"
    work = tmp_path / str(number)
    trees = {"1": first, "2": second, "3": first}
    for version, tree in trees.items():
        source = make(work / f"source-{version}", tree)
        support.upload(service, source, "p", asset, version)
    cache = work / "cache"
    for version, tree in reversed(trees.items()):
        folder = Path(gyp.save_version("p", asset, version, cache, url=service.url))
        assert read(folder) == {name: tree[name] for name in read(folder)}
        assert len(read(folder)) == len(tree)
        for path, content in list(tree.items())[:2]:
            lone = work / "lone" / version
            found = gyp.save_file("p", asset, version, path, lone, url=service.url)
            assert Path(found).read_bytes() == content
    clone = work / "clone"
    gyp.clone_version("p", asset, "2", clone, cache_dir=cache, url=service.url)
    writer = {**service.writer, "cache_dir": cache}
    gyp.upload_directory(clone, "p", asset, "4", **writer)
    shutil.rmtree(cache)
    folder = Path(gyp.save_version("p", asset, "4", cache, url=service.url))
    assert len(read(folder)) == len(second)
    assert all(second[name] == content for name, content in read(folder).items())
    stray = [path for path in (cache / "tmp").iterdir()] if (cache / "tmp").exists() else []
    assert stray == []
    assert not [name for name in os.listdir(work) if name.startswith("..")]
    shutil.rmtree(work)
