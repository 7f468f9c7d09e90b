"""Random directories: uploaded, fetched over HTTP into an empty cache, compared byte by byte.

Manifests are compared with a model of the documented rules that knows nothing but hashlib.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.effort import cases
from support.service import Gobbler, Service
from support.tree import (
    EMPTY,
    Link,
    Manifest,
    Node,
    Tree,
    expected_manifest,
    make,
    md5,
    read,
    registry_state,
    total,
)

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gobbler, Path]]:
    """One service for all examples, with the project `test`; and a directory to work in."""
    root = tmp_path_factory.mktemp("round-trip")
    with Service(root) as service:
        pyg.create_project("test", **service.gobbler.writer)
        yield service.gobbler, root
    shutil.rmtree(root)


def examples(count: int) -> settings:
    return settings(
        max_examples=cases(count),
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )


# Letters that have a meaning in URLs, JSON, HTML, shells or percent-encoding, and some that do not.
LETTERS = "ab.Z09_- #?%+&='\"<>;:,@!$()[]{}*^`~|\\\t\néßλ日😀\u2028\x7f"
names = st.one_of(
    st.text(st.sampled_from(LETTERS), min_size=1, max_size=12),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1),
    st.sampled_from(["%41", "%2F", "%zz", "a+b", ".x", "CON", "-rf", "n" * 255, "é" * 127]),
).filter(lambda name: not name.startswith("..") and name != "." and len(name.encode()) <= 255)
plain_names = st.sampled_from(["a", "b", "c", "d d", "é", "#1"])

AROUND_BLOCKS = [
    size for base in (64, 128, 4096, 65536, 131072) for size in (base - 1, base, base + 1)
] + [0, 1]
contents = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"same", b"other"]),
    st.builds(
        lambda size, seed: (bytes([seed, size % 251, 255 - seed]) * (size // 3 + 1))[:size],
        st.sampled_from(AROUND_BLOCKS),
        st.integers(0, 255),
    ),
)


def assemble(nodes: list[tuple[list[str], Node]]) -> dict[str, Node]:
    """A tree of these nodes, without those that would need a name to be file and directory."""
    tree: dict[str, Node] = {}
    directories: set[str] = set()
    for parts, node in nodes:
        path = "/".join(parts)
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        if len(path.encode()) > 1500 or path in tree or path in directories:
            continue
        if any(directory in tree for directory in above):
            continue
        directories.update(above)
        tree[path] = node
    return tree


def trees(name: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Node]]:
    node = st.one_of(contents, contents, contents, st.just(EMPTY))
    parts = st.lists(name, min_size=1, max_size=4)
    return st.lists(st.tuples(parts, node), max_size=12).map(assemble)


@st.composite
def linked_trees(draw: st.DrawFn) -> dict[str, Node]:
    """A tree with links to its files and to its links, never in a circle."""
    tree = draw(
        trees(plain_names).filter(lambda tree: any(isinstance(n, bytes) for n in tree.values()))
    )
    targets = [path for path, node in tree.items() if isinstance(node, bytes)]
    for number in range(draw(st.integers(1, 5))):
        target = draw(st.sampled_from(targets))
        folder = draw(st.sampled_from(["", "links", *{posixpath.dirname(t) for t in targets}]))
        path = posixpath.join(folder, f"link{number}")
        if any(other == folder or path == other for other in tree) or "links" in tree:
            continue
        tree[path] = Link(posixpath.relpath(target, folder or "."))
        targets.append(path)
    return tree


def contents_of(tree: Tree) -> dict[str, Any]:
    """What a reader finds: links as the files they lead to."""
    found: dict[str, Any] = {}
    for path, node in tree.items():
        place, seen = path, node
        while isinstance(seen, Link):
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), seen.target))
            seen = tree[place]
        found[path] = seen
    return found


def check(
    gobbler: Gobbler, root: Path, asset: str, version: str, tree: Tree, latest: Manifest | None
) -> Manifest:
    """Upload a tree, fetch it into an empty cache, and compare everything."""
    work = root / f"example-{next(numbers)}"
    directory = make(work / "source", tree)
    before = pyg.fetch_usage("test", **gobbler.local)
    try:
        pyg.upload_directory(
            "test", asset, version, str(directory), ignore_dot=False, **gobbler.writer
        )
        expected = expected_manifest(tree, "test", asset, version, latest)
        cache = str(work / "cache")
        manifest = pyg.fetch_manifest("test", asset, version, cache=cache, **gobbler.remote)
        assert manifest == expected
        fetched = Path(pyg.version_path("test", asset, version, cache=cache, **gobbler.remote))
        found = read(fetched, follow=True)
        assert found == dict(sorted(contents_of(tree).items()))
        for path, content in found.items():
            if isinstance(content, bytes):
                assert (len(content), md5(content)) == (
                    manifest[path]["size"],
                    manifest[path]["md5sum"],
                )
        listed = pyg.list_files("test", asset, version, include_dotdot=False, **gobbler.remote)
        assert listed == sorted(
            path + "/" if node is EMPTY else path for path, node in contents_of(tree).items()
        )
        assert (
            pyg.list_files("test", asset, version, include_dotdot=False, **gobbler.local) == listed
        )
        pyg.validate_version("test", asset, version, **gobbler.writer)
        assert pyg.fetch_usage("test", **gobbler.local) == before + total(manifest)
        assert os.listdir(gobbler.staging) == []
    finally:
        shutil.rmtree(work)
    return expected


@examples(150)
@given(tree=trees(names))
def test_directories_with_odd_names(place: tuple[Gobbler, Path], tree: Tree) -> None:
    gobbler, root = place
    asset = f"odd-{next(numbers)}"
    check(gobbler, root, asset, "v", tree, None)
    pyg.remove_asset("test", asset, **gobbler.writer)


@examples(100)
@given(tree=linked_trees())
def test_directories_with_links(place: tuple[Gobbler, Path], tree: Tree) -> None:
    gobbler, root = place
    asset = f"linked-{next(numbers)}"
    check(gobbler, root, asset, "v", tree, None)
    pyg.remove_asset("test", asset, **gobbler.writer)


@examples(60)
@given(versions=st.lists(st.one_of(trees(plain_names), linked_trees()), min_size=2, max_size=4))
def test_versions_that_share_files(place: tuple[Gobbler, Path], versions: list[Tree]) -> None:
    gobbler, root = place
    asset = f"shared-{next(numbers)}"
    latest: Manifest | None = None
    for number, tree in enumerate(versions):
        name = f"v{number}"
        latest = {**check(gobbler, root, asset, name, tree, latest), "": {"version": name}}
    pyg.remove_asset("test", asset, **gobbler.writer)


@examples(40)
@given(asset=names, version=names)
def test_odd_names_of_assets_and_versions(
    place: tuple[Gobbler, Path], asset: str, version: str
) -> None:
    gobbler, root = place
    allowed = all(
        not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name)
        and "\\" not in name
        for name in (asset, version)
    )
    if allowed:
        check(gobbler, root, asset, version, {"f": b"1"}, None)
        pyg.remove_asset("test", asset, **gobbler.writer)
        return
    with pytest.raises(OSError, match="400"):
        check(gobbler, root, asset, version, {"f": b"1"}, None)
    assert os.listdir(gobbler.staging) == []


@examples(60)
@given(
    tree=trees(plain_names), kind=st.sampled_from(["directory", "dangling", "loop"]), data=st.data()
)
def test_bad_links_are_refused_before_anything_is_copied(
    place: tuple[Gobbler, Path], tree: Tree, kind: str, data: st.DataObject
) -> None:
    gobbler, root = place
    folders = ["", *sorted({posixpath.dirname(path) for path in tree} - {""})]
    folder = data.draw(st.sampled_from(folders))
    target = {"directory": ".", "dangling": "not-there", "loop": "bad-link"}[kind]
    directory = make(root / f"example-{next(numbers)}", tree)
    try:
        Path(directory, folder, "bad-link").symlink_to(target)
        before = registry_state(gobbler.registry)
        staging = os.stat(gobbler.staging).st_mtime_ns
        with pytest.raises(ValueError, match="bad-link"):
            pyg.upload_directory("test", "refused", "v", str(directory), **gobbler.writer)
        assert registry_state(gobbler.registry) == before
        assert os.stat(gobbler.staging).st_mtime_ns == staging
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize("size", AROUND_BLOCKS)
def test_files_around_block_sizes(place: tuple[Gobbler, Path], size: int) -> None:
    gobbler, root = place
    content = (b"0123456789abcdef!" * (size // 17 + 1))[:size]
    check(gobbler, root, f"size-{size}", "v", {"file": content, "again": content}, None)


@pytest.mark.big
def test_a_file_of_a_hundred_mebibytes(place: tuple[Gobbler, Path]) -> None:
    gobbler, root = place
    content = os.urandom(1 << 20) * 100
    check(gobbler, root, "big", "v", {"big/file": content, "small": b"1"}, None)
    pyg.remove_asset("test", "big", **gobbler.writer)
