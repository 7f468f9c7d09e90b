"""Folders as tar archives."""

from __future__ import annotations

import io
import tarfile

from support.gypsum import Api, exchange

FILES = {"d/ü": b"y" * 70_000, "d/z": b"", "x.txt": b"0123456789"}


def unpacked(api: Api, path: str) -> dict[str, bytes]:
    answer = exchange(api.url, "GET", f"/archive/{path}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-tar"), path
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_a_version_comes_in_one_answer(project: Api) -> None:
    project.upload("p/a/v1", FILES)
    whole = unpacked(project, "p/a/v1")
    assert whole.keys() == {*FILES, "..manifest", "..summary"}
    assert {name: whole[name] for name in FILES} == FILES
    assert whole["..manifest"] == project.get("p/a/v1/..manifest").body
    assert unpacked(project, "p%2Fa%2Fv1%2Fd?after=z").keys() == {"ü"}
    assert unpacked(project, "p/a/v1/d?after=%C3%BC") == {}
    assert unpacked(project, "p/a/v1/d/?most=100") == {"z": b""}
    assert unpacked(project, "p/a/v1?after=d%2F%C3%BC") == {"x.txt": FILES["x.txt"]}
    listed = exchange(project.url, "GET", "/list?prefix=p%2Fa%2Fv1%2F&recursive=true")
    assert listed.headers["selenite-archive"] == "tar"


def test_what_is_no_folder_is_refused(project: Api) -> None:
    project.upload("p/a/v1", FILES)
    for path in ("p/a/v1/x.txt", "p/a/v", "none", "..", "p/../p", "%2e%2e%2fx"):
        answer = exchange(project.url, "GET", f"/archive/{path}")
        assert answer.status == 404, path
        assert answer.reason == "there is no such folder"
