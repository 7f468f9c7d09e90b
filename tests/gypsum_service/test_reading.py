"""Listing and reading: what is there, what is hidden, and parts of files."""

from __future__ import annotations

import hashlib
import os

import pytest
from support.gypsum import Api, entry, exchange


@pytest.fixture
def version(project: Api) -> Api:
    project.upload("p/a/v1", {"x.txt": b"0123456789", "d/y": b"y"})
    return project


KEY = "p/a/v1/x.txt"
ETAG = f'"{hashlib.md5(b"0123456789").hexdigest()}"'


def test_a_file_comes_with_its_digest(version: Api) -> None:
    answer = version.get(KEY)
    assert (answer.status, answer.headers["etag"]) == (200, ETAG)
    assert answer.headers["repr-digest"] == "md5=:eB5eJF1ptWaXm4bijSPyxw==:"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    internal = version.get("p/a/v1/..manifest")
    assert internal.headers["etag"] == f'"{hashlib.md5(internal.body).hexdigest()}"'
    assert internal.headers["content-type"] == "application/json"
    head = exchange(version.url, "HEAD", "/file/p%2Fa%2Fv1%2Fx.txt")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "10")


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=0-99", 206, b"0123456789"),
        ("bytes=10-", 416, None),
        ("lines=1-2", 416, None),
    ],
)
def test_ranges(version: Api, value: str, status: int, body: bytes | None) -> None:
    answer = version.get(KEY, Range=value)
    assert answer.status == status
    if body is None:
        assert answer.reason == "no such range"
        assert "repr-digest" not in answer.headers
    else:
        assert answer.body == body
        assert answer.headers["etag"] == ETAG


def test_conditions(version: Api) -> None:
    assert version.get(KEY, **{"If-None-Match": ETAG}).status == 304
    assert version.get(KEY, **{"If-None-Match": '"other"'}).status == 200
    assert version.get(KEY, **{"If-Match": '"other"'}).status == 412
    part = {"Range": "bytes=0-0", "If-Range": ETAG}
    assert version.get(KEY, **part).body == b"0"
    assert version.get(KEY, **{**part, "If-Range": '"other"'}).status == 200


@pytest.mark.parametrize(
    "key",
    [
        "/etc/passwd",
        "../secret",
        "p/../../secret",
        "p//a/v1/x.txt",
        "p/a/v1",
        "p/a/v1/",
        "./p",
        "p\0",
        "p/link",
        "p/folder/secret",
        "p/fifo",
        "p/..tmp-1",
        "p/..LOCK",
        "..LOCK",
        "p/..LOCK_NEWDIR",
    ],
)
def test_what_is_no_object_is_not_found(version: Api, key: str) -> None:
    secret = version.registry.parent / "secret"
    secret.write_text("secret")
    inside = version.registry / "p"
    (inside / "link").symlink_to(secret)
    (inside / "folder").symlink_to(secret.parent)
    os.mkfifo(inside / "fifo")
    for name in ("..tmp-1", "..LOCK", "..LOCK_NEWDIR", "..LOCK_USAGE"):
        (inside / name).touch()
    answer = version.get(key)
    assert (answer.status, answer.reason) == (404, "object not found")
    listed = version.listed(recursive=True)
    assert [name for name in listed if not name.startswith(("..logs", "p/a"))] == [
        "p/..permissions",
        "p/..quota",
        "p/..usage",
    ]
    assert version.listed("p/") == ["p/a/", "p/..permissions", "p/..quota", "p/..usage"]


def test_folders_without_objects_are_not_listed(version: Api) -> None:
    (version.registry / "p/a/v2/d").mkdir(parents=True)
    (version.registry / "q").mkdir()
    assert version.listed() == ["..logs/", "p/"]
    assert version.listed("p/a/") == ["p/a/v1/", "p/a/..latest"]
    for prefix in ("q/", "p/a/v2/", "p//", "/", "..", "p/../p/", "p/./", "p\0/"):
        assert version.listed(prefix) == ([] if prefix != ".." else ["..logs/"]), prefix


def test_the_lock_of_an_upload_is_an_object(version: Api) -> None:
    session = version.session("p/a/v2", [entry("x", b"1")])
    assert version.read("p/..LOCK")["version"] == "v2"
    assert "p/..LOCK" in version.listed("p/")
    session.abort()
    assert version.get("p/..LOCK").status == 404


def test_unknown_endpoints(version: Api) -> None:
    for method, path in [
        ("GET", "/file"),
        ("PUT", "/file/x"),
        ("HEAD", "/list"),
        ("GET", "/create/x"),
        ("POST", "/upload/start/p/a"),
        ("POST", "/upload/start/p/a/v/w"),
        ("PATCH", "/list"),
        ("GET", "/upload/object/x"),
    ]:
        answer = exchange(version.url, method, path)
        assert answer.status == 404, (method, path)
        assert answer.headers["access-control-allow-origin"] == "*"
        if method != "HEAD":
            assert answer.reason == "no such endpoint"
