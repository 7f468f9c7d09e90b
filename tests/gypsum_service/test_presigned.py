"""Files sent to presigned URLs: what is checked, and that nothing else is stored."""

from __future__ import annotations

import socket
import urllib.parse
from pathlib import Path

import pytest
from support import gypsum
from support.gypsum import Api, Session, entry, exchange, md5_base64, put
from support.service import Answer, wait_until

CONTENT = b"hello\n"


@pytest.fixture
def session(project: Api) -> Session:
    return project.session("p/a/v1", [entry("d/x", CONTENT)])


def stored(session: Session) -> bool:
    """Whether there is anything that the start has not made."""
    version = session.api.registry / "p/a/v1"
    return {path.name for path in version.rglob("*")} != {"..manifest", "..summary"}


def test_a_file_is_stored_once_it_is_whole(session: Session) -> None:
    answer = session.put(CONTENT)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == '"b1946ac92492d2347c6235b4d2611184"'
    assert session.put(CONTENT).status == 200
    assert session.complete().status == 200


@pytest.mark.parametrize("size", [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 5_000_000])
def test_files_of_any_size(project: Api, size: int) -> None:
    content = bytes(index % 251 for index in range(1009)) * (size // 1009 + 1)
    project.upload("p/a/v1", {"x": content[:size]})
    assert project.get("p/a/v1/x").body == content[:size]


@pytest.mark.parametrize("part", ["signature", "expires", "slug", "none"])
def test_a_forged_url_is_refused(session: Session, part: str) -> None:
    url = urllib.parse.urlsplit(session.presign()["url"])
    query = dict(urllib.parse.parse_qsl(url.query))
    path = url.path
    if part == "signature":
        query["signature"] = "0" * 64
    elif part == "expires":
        query["expires"] = str(int(query["expires"]) + 1)
    elif part == "slug":
        path = path[:-8] + "AAAAAAAA"
    else:
        query = {}
    path += "?" + urllib.parse.urlencode(query)
    headers = {"Content-MD5": md5_base64(CONTENT)}
    answer = exchange(session.api.url, "PUT", path, headers, CONTENT)
    assert answer.status == 403
    assert not stored(session)


def ask_for_many(session: Session, urls: object, token: str = "") -> Answer:
    return session.api.call("POST", "/upload/presigned-files", token or session.token, urls)


def test_many_urls_come_at_once(project: Api) -> None:
    files = {f"d/{number}": b"%d" % number for number in range(20)}
    started = project.start("p/a/v1", [entry(*file) for file in files.items()])
    session = Session(project, started.json())
    urls = [place["url"] for place in session.started["file_urls"]]
    alone = session.post(urls[0])
    for told in started, alone:
        assert told.headers["selenite-presigned-files"] == "/upload/presigned-files"
    answer = ask_for_many(session, urls)
    assert answer.status == 200, answer.body
    together = answer.json()
    assert len(together) == 20
    for presigned, content in zip(together, files.values(), strict=True):
        assert put(presigned, content).status == 200
    assert session.complete().status == 200
    for path, content in files.items():
        assert project.get(f"p/a/v1/{path}").body == content


def test_what_is_no_file_of_the_session_spoils_a_request_for_many(session: Session) -> None:
    url = session.started["file_urls"][0]["url"]
    session.api.create("q")
    other = session.api.session("q/a/v1", [entry("x", b"")]).started["file_urls"][0]["url"]
    refused: dict[int, list[object]] = {
        400: [["/elsewhere"], {"no": "list"}, [url] * 1001, [url + "!"]],
        403: [[url, other]],
    }
    for status, bodies in refused.items():
        for urls in bodies:
            assert ask_for_many(session, urls).status == status, urls
    assert ask_for_many(session, [url], "another").status == 403
    assert ask_for_many(session, []).json() == []


def test_an_expired_url_is_refused(tmp_path: Path) -> None:
    with gypsum.server(tmp_path / "registry", url_lifetime=0) as running:
        api = gypsum.api(running)
        api.create("p")
        session = api.session("p/a/v1", [entry("x", CONTENT)])
        answer = session.put(CONTENT)
        assert (answer.status, answer.reason) == (403, "the presigned URL has expired")


def test_the_digest_must_be_the_signed_one(session: Session) -> None:
    presigned = session.presign()
    for changed in (md5_base64(b"other"), "", "b1946ac92492d2347c6235b4d2611184"):
        answer = put(presigned, CONTENT, **{"Content-MD5": changed})
        assert (answer.status, "Content-MD5" in answer.reason) == (400, True)
    path = presigned["url"].removeprefix(session.api.url)
    assert exchange(session.api.url, "PUT", path, {}, CONTENT).status == 400
    assert not stored(session)


@pytest.mark.parametrize("content", [b"jello\n", b"hello", b"hello\n\n", b""])
def test_other_content_is_refused(session: Session, content: bytes) -> None:
    answer = session.put(content)
    assert answer.status == 400
    assert not stored(session)
    assert session.put(CONTENT).status == 200


def test_a_big_file_with_a_wrong_byte_is_refused(project: Api) -> None:
    content = b"x" * 3_000_000
    session = project.session("p/a/v1", [entry("x", content)])
    answer = session.put(content[:-1] + b"y")
    assert (answer.status, "BadDigest" in answer.reason) == (400, True)
    assert not stored(session)


def test_the_length_must_be_announced(session: Session) -> None:
    presigned = session.presign()
    path = presigned["url"].removeprefix(session.api.url)
    headers = {"Content-MD5": presigned["md5sum_base64"], "Transfer-Encoding": "chunked"}
    answer = exchange(session.api.url, "PUT", path, headers, b"6\r\nhello\n\r\n0\r\n\r\n")
    assert answer.status == 411
    assert not stored(session)


def test_an_ended_session_gives_its_urls_up(session: Session) -> None:
    presigned = session.presign()
    assert session.abort().status == 200
    assert put(presigned, CONTENT).status == 403
    assert not (session.api.registry / "p/a").exists()
    again = session.api.session("p/a/v1", [entry("d/x", CONTENT)])
    assert put(presigned, CONTENT).status == 403
    assert again.put(CONTENT).status == 200
    assert again.complete().status == 200


def test_a_completed_version_cannot_be_changed(session: Session) -> None:
    presigned = session.presign()
    assert put(presigned, CONTENT).status == 200
    assert session.complete().status == 200
    assert put(presigned, CONTENT).status == 403
    assert session.post(session.started["file_urls"][0]["url"]).status == 403


def test_a_file_that_breaks_off_leaves_nothing(session: Session) -> None:
    content = b"x" * 2_000_000
    session.abort()
    session = session.api.session("p/a/v1", [entry("d/x", content)])
    presigned = session.presign()
    url = urllib.parse.urlsplit(presigned["url"])
    head = (
        f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Length: {len(content)}\r\nContent-MD5: {presigned['md5sum_base64']}\r\n\r\n"
    )
    with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
        connection.sendall(head.encode() + content[:1_000_000])
    wait_until(lambda: not stored(session), "the unfinished file is gone")
    assert session.put(content).status == 200


def test_urls_name_the_service_as_the_client_does(session: Session, tmp_path: Path) -> None:
    path = session.started["file_urls"][0]["url"]
    headers = {"Authorization": f"Bearer {session.token}", "Host": "gypsum.localhost:8080"}
    answer = exchange(session.api.url, "POST", path, headers)
    assert answer.json()["url"].startswith("http://gypsum.localhost:8080/upload/object/")
    evil = exchange(session.api.url, "POST", path, {**headers, "Host": "a/b@localhost"})
    assert evil.status == 400
    with gypsum.server(tmp_path / "other", public_url="https://data.test/gypsum/") as running:
        api = gypsum.api(running)
        api.create("p")
        url = api.session("p/a/v1", [entry("x", b"")]).presign()["url"]
        assert url.startswith("https://data.test/gypsum/upload/object/")


def test_content_placed_by_others_is_compared_too(session: Session) -> None:
    path = session.api.registry / "p/a/v1/d/x"
    path.parent.mkdir()
    path.write_bytes(b"jello\n")
    answer = session.complete()
    assert (answer.status, "MD5" in answer.reason) == (400, True)
    path.write_bytes(CONTENT)
    assert session.complete().status == 200
