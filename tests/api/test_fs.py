"""`gobbler://` and `gypsum://` as filesystems of fsspec."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
import selenite
from fsspec.callbacks import Callback
from fsspec.generic import rsync
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.tests.abstract import AbstractFixtures, AbstractGetTests
from selenite.fs import GobblerFileSystem, GypsumFileSystem
from support.proxy import Fault, between
from support.registries import CSV, FIRST, ODD, SECOND, Registries, add, cat_in_child, serving

Where = dict[str, Any]
LARGE = 1 << 30


@pytest.fixture
def fs(service: str, where: Where) -> Any:
    return fsspec.filesystem(service, **where)


@pytest.fixture
def base(service: str) -> str:
    return f"{service}://demo/rna/v1"


def test_the_names_lead_to_the_classes() -> None:
    assert fsspec.get_filesystem_class("gobbler") is GobblerFileSystem
    assert fsspec.get_filesystem_class("gypsum") is GypsumFileSystem


def test_paths_are_what_is_behind_the_scheme() -> None:
    strip = GypsumFileSystem._strip_protocol
    for url, path in [
        ("gypsum://p/a/v/f", "p/a/v/f"),
        ("gypsum:p/a", "p/a"),
        ("p/a/v/", "p/a/v"),
        ("/p", "p"),
        ("simplecache::gypsum://p/a/v/f", "p/a/v/f"),
        ("gypsum://", ""),
        ("gypsum://p/a/v/%41#?", "p/a/v/%41#?"),
    ]:
        assert strip(url) == path, url
    assert strip(["gypsum://p", "q"]) == ["p", "q"]
    assert GypsumFileSystem._get_kwargs_from_urls("gypsum://p/a") == {}


def test_directories_are_listed(fs: Any) -> None:
    assert fs.ls("", detail=False) == ["demo"]
    assert fs.ls("demo", detail=False) == ["demo/rna"]
    names = [f"demo/rna/v{number}" for number in (1, 2, 3)]
    assert fs.ls("demo/rna", detail=False) == names
    inside = fs.ls("demo/rna/v1")
    assert [(one["name"], one["type"], one["size"]) for one in inside] == [
        ("demo/rna/v1/a.txt", "file", 12),
        ("demo/rna/v1/b", "directory", 0),
        (f"demo/rna/v1/{ODD}", "file", 3),
        ("demo/rna/v1/t", "directory", 0),
    ]
    assert fs.ls("demo/rna/v1/t", detail=False) == ["demo/rna/v1/t/x.csv"]
    assert fs.ls("demo/rna/v1/a.txt", detail=False) == ["demo/rna/v1/a.txt"]
    assert fs.ls("demo/rna/@latest/t", detail=False) == [
        "demo/rna/@latest/t/new.txt",
        "demo/rna/@latest/t/x.csv",
    ]
    for missing in ("none", "demo/none", "demo/rna/v9", "demo/rna/v1/none", "demo/rna/v1/a.txt/x"):
        with pytest.raises(FileNotFoundError):
            fs.ls(missing)
        assert not fs.exists(missing)


def test_files_are_described(fs: Any) -> None:
    info = fs.info("demo/rna/v1/a.txt")
    digest = md5(b"first words\n").hexdigest()
    assert {key: info[key] for key in ("name", "size", "type", "md5sum", "link")} == {
        "name": "demo/rna/v1/a.txt",
        "size": 12,
        "type": "file",
        "md5sum": digest,
        "link": None,
    }
    assert fs.info("demo/rna/v2/b/c.txt")["link"] == "demo/rna/v1/b/c.txt"
    assert info["created"] == fs.created("demo/rna/v1/a.txt") == fs.modified("demo/rna/v1/a.txt")
    assert info["created"].year >= 2024
    assert fs.ukey("demo/rna/v1/a.txt") == digest
    assert fs.checksum("demo/rna/v1/a.txt") == int(digest, 16)
    assert fs.isdir("demo/rna/v1/t")
    assert fs.isfile("demo/rna/v1/t/x.csv")
    for folder in ("", "demo", "demo/rna", "demo/rna/v1"):
        assert fs.info(folder)["type"] == "directory"


def test_everything_is_found(fs: Any) -> None:
    files = sorted(f"demo/rna/v1/{path}" for path in FIRST)
    assert fs.find("demo/rna/v1") == files
    with_folders = sorted([*files, "demo/rna/v1", "demo/rna/v1/b", "demo/rna/v1/t"])
    assert fs.find("demo/rna/v1", withdirs=True) == with_folders
    assert list(fs.find("demo/rna/v1/t", detail=True)) == ["demo/rna/v1/t/x.csv"]
    assert fs.find("demo/rna/v1/a.txt") == ["demo/rna/v1/a.txt"]
    assert fs.find("demo/rna/v1/none") == []
    assert fs.find("demo/rna/v1", maxdepth=1) == ["demo/rna/v1/a.txt", f"demo/rna/v1/{ODD}"]
    assert fs.glob("demo/rna/v1/*.txt") == ["demo/rna/v1/a.txt", f"demo/rna/v1/{ODD}"]
    assert fs.glob("demo/rna/*/t/x.csv") == ["demo/rna/v1/t/x.csv", "demo/rna/v2/t/x.csv"]
    assert fs.glob("demo/rna/v1/**/c.txt") == ["demo/rna/v1/b/c.txt"]
    assert fs.du("demo/rna/v1") == sum(len(text.encode()) for text in FIRST.values())
    walked = {root: sorted(names) for root, _, names in fs.walk("demo/rna/v1")}
    assert walked["demo/rna/v1/t"] == ["x.csv"]


def test_content_is_read(fs: Any, base: str) -> None:
    for path, text in FIRST.items():
        assert fs.cat_file(f"{base}/{path}") == text.encode()
    whole = FIRST["a.txt"].encode()
    name = f"{base}/a.txt"
    for start, end in [(0, 3), (3, None), (-4, None), (2, -2), (5, 5), (9, 100), (8, 2)]:
        assert fs.cat_file(name, start=start, end=end) == whole[start:end], (start, end)
    assert fs.cat([name, f"{base}/b/c.txt"]) == {
        "demo/rna/v1/a.txt": whole,
        "demo/rna/v1/b/c.txt": b"five\n",
    }
    assert fs.head(name, 3) == whole[:3]
    assert fs.tail(name, 3) == whole[-3:]
    with fs.open(name) as file:
        assert file.size == 12
        file.seek(6)
        assert file.read(5) == b"words"
        again = pickle.loads(pickle.dumps(file))
        assert again.read() == b"\n"
        again.close()
    with fs.open(name, "r") as file:
        assert file.read() == FIRST["a.txt"]
    parts = fs.cat_ranges([name, name, f"{base}/none"], [0, 6, 0], [5, -1, 1])
    assert parts[:2] == [b"first", b"words"]
    assert isinstance(parts[2], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges([f"{base}/none"], 0, 1, on_error="raise")
    with pytest.raises(FileNotFoundError):
        fs.open(f"{base}/none")
    for folder in (base, f"{base}/t", "demo"):
        with pytest.raises(IsADirectoryError):
            fs.open(folder)


def test_files_are_copied(fs: Any, base: str, tmp_path: Path) -> None:
    callback = Callback()
    fs.get_file(f"{base}/t/x.csv", tmp_path / "x.csv", callback=callback)
    assert (tmp_path / "x.csv").read_text() == CSV
    assert callback.value == callback.size == len(CSV)
    fs.get(f"{base}/", f"{tmp_path}/all/", recursive=True)
    copied = {path: (tmp_path / "all" / path).read_text() for path in FIRST}
    assert copied == FIRST
    with (tmp_path / "again").open("wb") as file:
        fs.get_file(f"{base}/a.txt", file)
    assert (tmp_path / "again").read_text() == FIRST["a.txt"]


def test_nothing_can_be_changed(fs: Any, base: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    changes: list[Callable[[], object]] = [
        lambda: fs.open(f"{base}/new", "wb"),
        lambda: fs.pipe(f"{base}/new", b"x"),
        lambda: fs.put_file(str(tmp_path / "file"), f"{base}/new"),
        lambda: fs.put(str(tmp_path / "file"), f"{base}/new"),
        lambda: fs.mkdir(f"{base}/new"),
        lambda: fs.makedirs(f"{base}/new/er", exist_ok=True),
        lambda: fs.touch(f"{base}/new"),
        lambda: fs.rm(f"{base}/a.txt"),
        lambda: fs.rm(base, recursive=True),
        lambda: fs.rmdir(base),
        lambda: fs.rm_file(f"{base}/a.txt"),
        lambda: fs.cp_file(f"{base}/a.txt", f"{base}/new"),
        lambda: fs.mv(f"{base}/a.txt", f"{base}/new"),
    ]
    for number, change in enumerate(changes):
        with pytest.raises(OSError, match="Read-only"):
            change()
        assert fs.exists(f"{base}/a.txt"), number


def test_others_find_it_by_its_name(base: str, where: Where, tmp_path: Path) -> None:
    frame = pd.read_csv(f"{base}/t/x.csv", storage_options=where)
    assert frame["count"].sum() == sum(range(100))
    files = fsspec.open_files(f"{base}/*.txt", **where)
    with files as opened:
        assert sorted(file.read() for file in opened) == [b"first words\n", b"odd"]
    local = fsspec.open_local(f"{base}/a.txt", **where)
    assert Path(local).read_text() == FIRST["a.txt"]
    mapper = fsspec.get_mapper(base, **where)
    assert mapper["b/c.txt"] == b"five\n"
    assert sorted(mapper) == sorted(FIRST)
    inner = DirFileSystem("demo/rna/v1", fsspec.filesystem(base.partition(":")[0], **where))
    assert inner.cat_file("b/c.txt") == b"five\n"
    service = base.partition(":")[0]
    with warnings.catch_warnings():
        # The block cache of fsspec leaves its own files to be closed when they are collected.
        warnings.simplefilter("ignore", ResourceWarning)
        for chain in ("simplecache", "filecache", "blockcache"):
            options = {chain: {"cache_storage": str(tmp_path / chain)}, service: where}
            with fsspec.open(f"{chain}::{base}/a.txt", **options) as file:
                assert file.read() == FIRST["a.txt"].encode()
        del file
        gc.collect()


def test_a_version_is_synchronized(fs: Any, service: str, base: str, tmp_path: Path) -> None:
    from fsspec.generic import GenericFileSystem, set_generic_fs

    set_generic_fs(service, **fs.storage_options)
    set_generic_fs("file")
    generic = GenericFileSystem(default_method="generic")
    rsync(base, f"file://{tmp_path}/out", fs=generic)
    assert {path: (tmp_path / "out" / path).read_text() for path in FIRST} == FIRST


def test_settings_alone_are_passed_on(fs: Any, base: str) -> None:
    fs.ls(base)
    assert pickle.loads(pickle.dumps(fs)) is fs
    assert set(json.loads(fs.to_json())) >= {"cls", "protocol"}
    state = fs.__getstate__()
    assert "_versions" not in state
    assert "_lock" not in state
    blank = fs.__class__.__new__(fs.__class__)
    blank.__setstate__(state)
    assert blank.cat_file(f"{base}/a.txt") == FIRST["a.txt"].encode()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("way", ["gobbler-http", "gypsum-http"])
def test_pools_read(fs: Any, service: str, where: Where, method: Any, base: str) -> None:
    fs.ls(base)
    tasks = [(service, where, f"demo/rna/v2/{path}") for path in SECOND]
    with multiprocessing.get_context(method).Pool(2) as pool:
        contents = pool.map_async(cat_in_child, tasks).get(60)
    assert contents == [text.encode() for text in SECOND.values()]


def test_manifests_are_kept_but_not_for_ever(registries: Registries, tmp_path: Path) -> None:
    with between(registries.gobbler.url, lambda *_: None) as proxy:
        fs = GobblerFileSystem(endpoint=proxy.url, cache=tmp_path, skip_instance_cache=True)
        for _ in range(3):
            fs.find("demo/rna/v1")
            fs.info("demo/rna/v1/a.txt")
        assert proxy.count("GET /fetch/demo/rna/v1/..manifest") == 1
        fs.invalidate_cache()
        fs.find("demo/rna/v1")
        assert proxy.count("GET /fetch/demo/rna/v1/..manifest") == 2
        for path in ("demo/rna/v3", "demo/rna/@latest"):
            fs.find(path)
            fs.find(path)
        assert proxy.count("GET /fetch/demo/rna/v3/..manifest") == 2, "it may still change"
        assert proxy.count("GET /fetch/demo/rna/..latest") == 2
        for number in range(fs_limit()):
            fs._versions[f"p/a/{number}"] = fs._version(["demo", "rna", "v1"])
        fs._version(["demo", "rna", "v2"])
        assert len(fs._versions) == fs_limit()


def fs_limit() -> int:
    from selenite import fs

    return fs._MOST_MANIFESTS


def test_what_is_here_is_read_without_a_network(registries: Registries, tmp_path: Path) -> None:
    for service in ("gobbler", "gypsum"):
        where = registries.where(f"{service}-http", tmp_path / service)
        selenite.open(f"{service}:demo/rna/v1", **where).path()
        fs = fsspec.filesystem(service, offline=True, **where)
        assert fs.cat_file("demo/rna/v1/a.txt") == FIRST["a.txt"].encode()
        with pytest.raises(selenite.OfflineError):
            fs.cat_file("demo/rna/v2/a.txt")


@pytest.fixture
def large(tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """The URL of a Gobbler that has a file of 1 GiB, of which three parts are not empty."""
    from selenite.testing import GobblerServer

    registry = tmp_path / "registry"
    version = registry / "p/a/v"
    version.mkdir(parents=True)
    mark = bytes(range(256)) * 16
    with (version / "large.bin").open("wb") as file:
        for place in (0, LARGE // 2, LARGE - len(mark)):
            file.seek(place)
            file.write(mark)
    manifest = {"large.bin": {"size": LARGE, "md5sum": "0" * 32}}
    (version / "..manifest").write_text(json.dumps(manifest))
    finished = {"upload_user_id": "me", "upload_start": "2026-01-01T00:00:00Z"}
    finished["upload_finish"] = "2026-01-01T00:00:01Z"
    (version / "..summary").write_text(json.dumps(finished))
    with GobblerServer(registry=registry) as server:
        yield server.url, mark


def test_parts_of_a_large_file_are_asked_for_alone(
    large: tuple[str, bytes], tmp_path: Path
) -> None:
    url, mark = large
    moved = 0

    def count(body: bytes) -> bytes:
        nonlocal moved
        moved += len(body)
        return body

    with between(url, lambda *_: Fault(body=count)) as proxy:
        fs = GobblerFileSystem(endpoint=proxy.url, cache=tmp_path / "cache")
        name = "p/a/v/large.bin"
        starts = [0, 1024, LARGE // 2, LARGE - len(mark), LARGE // 4]
        parts = fs.cat_ranges([name] * 5, starts, [start + 1024 for start in starts])
        assert parts == [mark[:1024], mark[:1024], mark[:1024], mark[:1024], bytes(1024)]
        assert proxy.count("GET /fetch/p/a/v/large.bin") == 4, "near ones go together"
        assert fs.cat_file(name, start=-10) == mark[-10:]
        with fs.open(name, block_size=4096) as file:
            assert file.size == LARGE
            file.seek(LARGE // 2)
            assert file.read(100) == mark[:100]
        assert moved < LARGE / 100
        assert not any(path.name == "large.bin" for path in (tmp_path / "cache").rglob("*"))


def test_a_file_of_another_size_is_none(large: tuple[str, bytes], tmp_path: Path) -> None:
    url, _ = large
    registry = tmp_path / "registry"
    os.truncate(registry / "p/a/v/large.bin", LARGE - 1)
    fs = GobblerFileSystem(endpoint=url, cache=tmp_path / "cache")
    with pytest.raises(selenite.DigestError, match="size"):
        fs.cat_file("p/a/v/large.bin", 0, 10)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="ranges"):
        GobblerFileSystem(endpoint="http://h", ranges="always")  # type: ignore[arg-type]


# What fsspec asks of every filesystem that can be read.


SCENARIOS: dict[str, dict[str, str]] = {
    "bulk": dict.fromkeys(
        [
            "source/file1",
            "source/file2",
            "source/subdir/subfile1",
            "source/subdir/subfile2",
            "source/subdir/nesteddir/nestedfile",
        ],
        "",
    ),
    "glob": {
        path: ""
        for path in [
            "source/file1",
            "source/file2",
            *(
                f"source/subdir{number}/{rest}"
                for number in (0, 1)
                for rest in ("subfile1", "subfile2", "nesteddir/nestedfile")
            ),
        ]
    },
    "prefix": {"source/subdir.txt": "", "source/subdir/subfile.txt": ""},
    "hashed": {
        f"source/{md5(str(number).encode()).hexdigest()}.txt": str(number) for number in range(10)
    },
}


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    folder = tmp_path_factory.mktemp("scenarios")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELENITE_PROGRESS", "off")
        with serving(folder) as found:
            for asset, files in SCENARIOS.items():
                add(found, folder, asset, "v1", files)
            yield found


class TestGet(AbstractGetTests, AbstractFixtures):  # type: ignore[misc] # fsspec has no types
    # It makes what it reads itself.
    test_get_directory_recursive = None

    @pytest.fixture(params=["gobbler-http", "gypsum-http"])
    def fs(self, request: pytest.FixtureRequest, scenarios: Registries, tmp_path: Path) -> Any:
        where = scenarios.where(request.param, tmp_path / "the-cache")
        return fsspec.filesystem(request.param.partition("-")[0], **where)

    @pytest.fixture
    def fs_path(self) -> str:
        return "demo/bulk/v1"

    @pytest.fixture
    def fs_bulk_operations_scenario_0(self) -> str:
        return "demo/bulk/v1/source"

    @pytest.fixture
    def fs_glob_edge_cases_files(self) -> str:
        return "demo/glob/v1/source"

    @pytest.fixture
    def fs_dir_and_file_with_same_name_prefix(self) -> str:
        return "demo/prefix/v1/source"

    @pytest.fixture
    def fs_10_files_with_hashed_names(self) -> str:
        return "demo/hashed/v1/source"

    def test_a_directory_is_copied(self, fs: Any, tmp_path: Path) -> None:
        for target in ("new", "new"):
            fs.get("demo/bulk/v1/source", str(tmp_path / target), recursive=True)
        assert (tmp_path / "new/file1").exists()
        assert (tmp_path / "new/source/file1").exists(), "into what is there"
