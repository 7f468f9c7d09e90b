"""Small files of an upload that are sent in one archive."""

from __future__ import annotations

import io
import socket
import tarfile
import urllib.parse
from pathlib import Path

import pytest
from support import gypsum
from support.gypsum import Api, Session, entry, exchange, packed
from support.service import wait_until
from support.tree import Tree, read

FILES = {f"d{number % 3}/é{number}": b"%d" % number * number for number in range(200)}
FILES["x" * 150] = b"long"
FILES["none"] = b""
FILES["largest"] = b"y" * (256 * 1024)
PLACE = "/upload/archive/p/a/v1"


@pytest.fixture
def session(project: Api) -> Session:
    started = project.start("p/a/v1", [entry(*file) for file in FILES.items()])
    assert started.headers["selenite-upload-archive"] == PLACE
    return Session(project, started.json())


def stored(session: Session) -> Tree:
    """The files that have come."""
    return dict(read(session.api.registry / "p/a/v1"))


def test_files_come_in_one_request(session: Session) -> None:
    place = session.post(session.started["file_urls"][0]["url"])
    assert place.headers["selenite-upload-archive"] == PLACE
    answer = session.send(packed(FILES.items()))
    assert (answer.status, answer.body) == (200, b"")
    assert stored(session) == FILES
    assert {path.stat().st_mode & 0o777 for path in session.api.registry.glob("p/a/v1/d?/*")} == {
        (session.api.registry / "p/a/v1/..manifest").stat().st_mode & 0o777
    }
    assert session.complete().status == 200
    assert session.api.get("p/a/v1/d1/é1").body == b"1"


def test_they_may_come_in_parts_and_again_and_by_themselves(session: Session) -> None:
    items = list(FILES.items())
    for some in (items[:50], items[20:], [items[7], items[7]], []):
        assert session.send(packed(some)).status == 200
    last = session.started["file_urls"][-1]["path"]
    assert session.put(FILES[last], -1).status == 200
    assert session.complete().status == 200


def test_archives_of_others_and_other_members_do(session: Session) -> None:
    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folder = tarfile.TarInfo("d0")
        folder.type = tarfile.DIRTYPE
        link = tarfile.TarInfo("none")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        file = tarfile.TarInfo("d1/é1")
        file.size = 1
        tar.addfile(folder)
        tar.addfile(link)
        tar.addfile(file, io.BytesIO(b"1"))
    assert session.send(files.getvalue()).status == 200
    assert stored(session) == {"d1/é1": b"1"}


BAD = {
    "unknown": ("unknown", b"x", "path 'unknown' is not in the manifest"),
    "wrong": ("d1/é1", b"2", "BadDigest: the content of 'd1/é1' has 1 bytes"),
    "short": ("d1/é1", b"", "BadDigest: the content of 'd1/é1' has 0 bytes"),
    "long": ("d1/é1", b"11", "BadDigest: the content of 'd1/é1' has 2 bytes"),
    "large": ("d1/é1", b"1" * (256 * 1024 + 1), "'d1/é1' has more than 262144 bytes"),
    "outside": ("../../../x", b"x", "path '../../../x' is not in the manifest"),
    "absolute": ("/d1/é1", b"1", "path '/d1/é1' is not in the manifest"),
    "dotted": ("./d1/é1", b"1", "path './d1/é1' is not in the manifest"),
    "internal": ("..summary", b"{}", "path '..summary' is not in the manifest"),
    "nameless": ("", b"x", "path '' is not in the manifest"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_was_not_announced_is_refused_by_name(session: Session, what: str) -> None:
    name, content, reason = BAD[what]
    items = list(FILES.items())
    before = [item for item in items[:100] if item[0] != name]
    answer = session.send(packed([*before, (name, content), *items[100:]]))
    assert (answer.status, reason in answer.reason) == (400, True), answer.body
    assert stored(session) == dict(before), "what came before stays"
    everything = {path.name for path in session.api.registry.rglob("*")}
    assert not everything & {"x", "unknown"}
    assert session.send(packed(items)).status == 200
    assert session.complete().status == 200


def test_what_is_no_archive_is_refused(session: Session) -> None:
    whole = packed([("none", b""), ("d1/é1", b"1")])
    broken = bytearray(whole)
    broken[512 * 3 + 10] ^= 1  # in the second header
    for body, reason, names in (
        (b"", "no end", set()),
        (b"x" * 2000, "cannot be read", set()),
        (bytes(broken), "cannot be read", {"none"}),
        (whole.rstrip(b"\0")[:-1], "no end", {"none"}),
    ):
        answer = session.send(body)
        assert (answer.status, reason in answer.reason) == (400, True), answer.body
        assert stored(session).keys() >= names
    assert session.send(b"\0" * 1024).status == 200, "an archive of nothing"


def test_a_body_that_breaks_off_leaves_whole_files(session: Session) -> None:
    files = {path: content for path, content in FILES.items() if path != "largest"}
    archive = packed([*files.items(), ("largest", FILES["largest"])])
    head = (
        f"PUT {PLACE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {session.token}\r\n"
        f"Content-Length: {len(archive)}\r\n\r\n"
    )
    url = urllib.parse.urlsplit(session.api.url)
    with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
        connection.sendall(head.encode() + archive[:-100_000])
    wait_until(lambda: stored(session).keys() == files.keys(), "what was whole is there")
    assert stored(session) == files
    assert session.send(archive).status == 200
    assert session.complete().status == 200


def test_the_length_must_be_announced(session: Session) -> None:
    fields = {"Authorization": f"Bearer {session.token}", "Transfer-Encoding": "chunked"}
    answer = exchange(session.api.url, "PUT", PLACE, fields, b"0\r\n\r\n")
    assert answer.status == 411


def test_only_the_session_may_send(session: Session) -> None:
    session.api.create("q")
    other = session.api.session("q/a/v1", [entry("none", b"")])
    archive = packed([("none", b"")])
    for token in ("another", other.token, "owner-token", "admin-token"):
        assert session.send(archive, token).status == 403
    for place in ("/upload/archive/q/a/v1", "/upload/archive/p/a/v2", "/upload/archive/p/b/v1"):
        assert session.send(archive, place=place).status == 403
    assert exchange(session.api.url, "PUT", PLACE, {}, archive).status == 401
    assert session.send(archive, place="/upload/archive/p/a").status == 404
    assert session.send(archive, place="/upload/archive/../a/v1").status == 400
    assert stored(session) == {}


@pytest.mark.parametrize("ends", ["complete", "abort"])
def test_a_session_that_has_ended_gives_it_up(project: Api, ends: str) -> None:
    session = project.session("p/a/v1", [entry("none", b"")])
    archive = packed([("none", b"")])
    assert session.send(archive).status == 200
    assert getattr(session, ends)().status == 200
    assert session.send(archive).status == 403
    assert (project.registry / "p/a/v1").exists() is (ends == "complete")


def test_places_are_quoted_and_relative_to_the_service(tmp_path: Path) -> None:
    with gypsum.server(tmp_path / "registry", public_url="https://data.test/g/") as running:
        api = gypsum.api(running)
        api.create("p q")
        session = api.session("p%20q/a/v1", [entry("none", b"")])
        place = session.post(session.started["file_urls"][0]["url"])
        where = place.headers["selenite-upload-archive"]
        assert where == "/upload/archive/p%20q/a/v1"
        assert session.send(packed([("none", b"")]), place=where).status == 200
