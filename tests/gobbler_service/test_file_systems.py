"""A registry on a small file system of its own, which fills up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.service import Service


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    yield from mounted(tmp_path / "small", "size=1m")


@pytest.fixture
def scarce(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 files."""
    yield from mounted(tmp_path / "scarce", "nr_inodes=60")


def fill(folder: Path) -> None:
    with Path(folder, "..filler").open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue


def test_what_did_not_fit_leaves_no_trace(tmp_path: Path, small: Path) -> None:
    service = Service(tmp_path, registry=small)
    source = service.staging / "s"
    source.mkdir()
    (source / "a").write_text("content")
    (source / "big").write_bytes(bytes(2 << 20))
    request = {"source": "s", "project": "p", "asset": "a", "version": "v", "consume": True}
    with service:
        gobbler = service.gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        answer = gobbler.request("upload", request)
        assert answer.status == 500
        assert "no space left" in answer.reason
        assert sorted(os.listdir(source)) == ["a", "big"]
        assert [name for name in os.listdir(small) if name.startswith("..tmp")] == []
        assert not gobbler.path("p", "a").exists()
    service.start()
    try:
        (source / "big").unlink()
        assert service.gobbler.request("upload", request).status == 200
        assert os.listdir(source) == []
    finally:
        service.kill()


def test_a_full_registry_can_be_emptied(tmp_path: Path, small: Path) -> None:
    service = Service(tmp_path, registry=small)
    source = service.staging / "s"
    source.mkdir()
    (source / "a").write_bytes(bytes(5000))
    with service:
        gobbler = service.gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        for version in ("v1", "v2"):
            (source / version).write_text(version)
            names = {"project": "p", "asset": "a", "version": version}
            assert gobbler.request("upload", {"source": "s", **names}).status == 200
        fill(small)
        answer = gobbler.request("delete_version", names)
        assert answer.status == 200, answer.body
        assert gobbler.read("p", "a", "..latest") == {"version": "v1"}
        assert gobbler.read("p", "..usage") == {"total": 5002}
        fill(small)
        assert gobbler.request("delete_project", {"project": "p"}).status == 200
        assert not gobbler.path("p").exists()


@pytest.mark.parametrize("free", [0, 1, 3])
def test_what_has_all_files_that_there_may_be_can_be_emptied(
    tmp_path: Path, scarce: Path, free: int
) -> None:
    service = Service(tmp_path, registry=scarce, flags=[])
    source = service.staging / "s"
    source.mkdir()
    with service:
        gobbler = service.gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        for version in ("v1", "v2"):
            (source / version).write_text(version)
            names = {"project": "p", "asset": "a", "version": version}
            assert gobbler.request("upload", {"source": "s", **names}).status == 200
        count = 0
        while True:
            try:
                (scarce / f"..filler-{count}").touch(exist_ok=False)
            except OSError:
                break
            count += 1
        for number in range(free):
            (scarce / f"..filler-{number}").unlink()
        answer = gobbler.request("delete_version", names)
        assert answer.status == 200, answer.body
        assert gobbler.read("p", "a", "..latest") == {"version": "v1"}
        assert gobbler.read("p", "..usage") == {"total": 2}
        assert gobbler.get("/list?path=p/a").json() == [*("..LOCK", "..latest"), "v1/"]
