"""Folders as tar archives, for clients and for whoever has a browser."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from support.service import Gobbler

FILES = {
    "a.txt": b"alpha",
    "deep/b": b"",
    "deep/ü 😀": b"names",
    "deep/" + "long" * 40: b"x" * 1000,
    "large": b"y" * 300_000,
    "z": b"last",
}


def fill(gobbler: Gobbler) -> Path:
    version = gobbler.path("p", "a", "v")
    for name, content in FILES.items():
        file = version / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (version / "..manifest").write_bytes(b"{}")
    (version / "empty").mkdir()
    return version


def unpacked(body: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None, member
            found[member.name] = content.read()
    return found


def test_a_version_comes_in_one_answer(gobbler: Gobbler, tmp_path: Path) -> None:
    version = fill(gobbler)
    os.utime(version / "a.txt", (1_000_000_000, 1_000_000_000))
    answer = gobbler.get("/archive/p/a/v")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-tar")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''v.tar"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert unpacked(answer.body) == {**FILES, "..manifest": b"{}"}
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        assert archive.getnames() == sorted(archive.getnames(), key=str.encode)
        assert archive.getmember("a.txt").mtime == 1_000_000_000
        assert archive.getmember("a.txt").mode == 0o644
    assert unpacked(gobbler.get("/archive/p/a/v/deep/").body).keys() == {
        name.removeprefix("deep/") for name in FILES if name.startswith("deep/")
    }
    assert unpacked(gobbler.get("/archive/p").body)["a/v/z"] == b"last"
    assert unpacked(gobbler.get("/archive").body)["p/a/v/z"] == b"last"
    # What people have.
    tar = shutil.which("tar")
    assert tar is not None
    subprocess.run([tar, "-x", "-C", tmp_path, "-f", "-"], input=answer.body, check=True)
    assert (tmp_path / "deep" / "ü 😀").read_bytes() == b"names"


def test_it_is_announced_where_a_client_looks(gobbler: Gobbler) -> None:
    fill(gobbler)
    assert gobbler.get("/list?path=p%2Fa%2Fv&recursive=true").headers["selenite-archive"] == "tar"
    assert "selenite-archive" not in gobbler.get("/list?path=none").headers


def test_a_part_can_be_asked_for(gobbler: Gobbler) -> None:
    fill(gobbler)
    after = gobbler.get("/archive/p/a/v?after=deep%2Fb")
    assert unpacked(after.body).keys() == {name for name in FILES if name > "deep/b"}
    small = gobbler.get("/archive/p/a/v?after=deep%2F%C3%BC%20%F0%9F%98%80&most=4")
    assert unpacked(small.body) == {"z": b"last"}
    assert unpacked(gobbler.get("/archive/p/a/v?after=zz").body) == {}


def test_links_are_followed_as_files_are_fetched(gobbler: Gobbler, tmp_path: Path) -> None:
    version = fill(gobbler)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "folder").mkdir()
    for name, target in {
        "again": "a.txt",
        "around": "../v/deep/b",
        "secret": str(secret),
        "none": "nowhere",
        "loop": "loop",
        "folder": "deep",
        "outside": str(tmp_path / "folder"),
    }.items():
        (version / name).symlink_to(target)
    os.mkfifo(version / "pipe")
    found = unpacked(gobbler.get("/archive/p/a/v").body)
    assert found == {**FILES, "..manifest": b"{}", "again": b"alpha", "around": b""}
    for name in ("secret", "none", "loop", "pipe"):
        assert gobbler.get(f"/fetch/p/a/v/{name}").status != 200
    assert gobbler.get("/archive/p/a/v/outside").status == 404


def test_what_is_no_folder_is_refused(gobbler: Gobbler) -> None:
    version = fill(gobbler)
    (version.parent / "..tmp-1").mkdir()
    (version.parent / "..tmp-1" / "hidden").write_text("hidden")
    for path in ("p/a/v/a.txt", "p/none", "p/a/..tmp-1", "p%00"):
        assert gobbler.get(f"/archive/{path}").status in (400, 404), path
    # What leads out leads to the registry, as with files; what is unfinished is not there.
    whole = unpacked(gobbler.get("/archive/p%2F..%2F..%2F..").body)
    assert "p/a/v/z" in whole
    assert not any("hidden" in name for name in whole)
    assert gobbler.get("/archive/p/none").json() == {
        "status": "ERROR",
        "reason": "there is no such folder",
    }
