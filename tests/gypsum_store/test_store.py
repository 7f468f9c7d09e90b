"""The gypsum service on a real S3 server: the same rules, and bytes that do not pass through it."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import obstore
import pytest
from obstore.store import S3Store
from support import gypsum
from support.gypsum import Api, entry, put
from support.gypsum_replay import Replay
from support.s3 import Store, one_at_a_time
from support.service import wait_until

VECTORS = sorted(Path(__file__).parents[1].joinpath("vectors", "gypsum").glob("*.json"))
CONTENT = b"hello\n"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_recorded_scenario(vector: Path, store: Store) -> None:
    with gypsum.server(store=store.place) as running:
        scenario = json.loads(vector.read_text())
        replay = Replay(running.url, store.directory, lambda: settle(store))
        assert replay.run(scenario) == []


def receipts(store: Store) -> list[Path]:
    """What is in the place of locks and is of no session: a receipt, or what takes it away."""
    found = []
    for lock in store.directory.rglob("..LOCK"):
        with suppress(FileNotFoundError):  # it has just gone
            found += [] if json.loads(lock.read_text()).get("asset") else [lock]
    return found


def settle(store: Store) -> None:
    wait_until(lambda: not receipts(store), "nothing is left of what was answered")


def test_a_client_that_hangs_up_begins_no_session(store: Store) -> None:
    asked: list[int] = []
    client = socket.socket()
    last = 0

    def fault() -> str:
        asked.append(len(asked))
        if len(asked) == last:
            client.close()
            time.sleep(0.3)  # the service notices
        return ""

    with one_at_a_time(store, fault) as place, gypsum.server(store=place) as running:
        api = Api(running.url, store.directory)
        api.create("p")
        settle(store)
        asked.clear()
        session = api.session("p/a/v1", [])
        # Before it is locked for the client, which is what comes last.
        last = len(asked) - 1
        assert session.abort().status == 200
        settle(store)
        asked.clear()
        host, port = urlsplit(running.url).netloc.split(":")
        client.connect((host, int(port)))
        head = f"POST /upload/start/p/a/v1 HTTP/1.1\r\nHost: {host}:{port}\r\n"
        head += "Authorization: Bearer owner-token\r\nContent-Length: 13\r\n\r\n"
        client.sendall(head.encode() + b'{"files": []}')
        wait_until(lambda: len(asked) > last, "it was asked for")
        settle(store)
        assert api.start("p/a/v1", []).status == 200


def test_receipts_go_soon_after_the_answer(store: Store) -> None:
    with gypsum.server(store=store.place) as running:
        api = Api(running.url, store.directory)
        api.create("p")
        assert [lock.parent.name for lock in receipts(store)] == ["p"]
        # They are for those who ask a later process, and are in nobody's way.
        assert api.admin("POST", "/create/p", {}).status == 400
        assert api.start("p/a/v1", []).status == 200
        assert receipts(store) == []
        assert api.admin("DELETE", "/unlock/p").status == 200
        api.create("q")
        settle(store)
        assert list(store.directory.rglob("..LOCK")) == []
        api.create("r")
    assert list(store.directory.rglob("..LOCK")) == [], "the end waits for that"


def test_files_are_sent_to_the_store_itself(project: Api, store: Store) -> None:
    session = project.session("p/a/v1", [entry("d/ü x+%", CONTENT)])
    presigned = session.presign()
    assert presigned["url"].startswith(store.url)
    assert session.complete().reason == "path 'd/ü x+%' in manifest should have a file"
    assert put(presigned, b"jello\n").status == 400
    assert put(presigned, CONTENT, **{"Content-MD5": gypsum.md5_base64(b"jello\n")}).status == 403
    assert put({**presigned, "url": presigned["url"][:-4] + "0000"}, CONTENT).status == 403
    assert put(presigned, CONTENT).status == 200
    assert session.complete().status == 200
    assert project.get("p/a/v1/d/ü x+%").body == CONTENT
    assert project.read("p/..usage") == {"total": 6}


def test_a_stock_client_reads_with_what_is_handed_out(project: Api) -> None:
    project.upload("p/a/v1", {"x.txt": CONTENT, "d/y": b"y" * 100_000})
    given = project.call("GET", "/credentials/s3-api").json()
    client = S3Store(
        given["bucket"],
        endpoint=given["endpoint"],
        access_key_id=given["key"],
        secret_access_key=given["secret"],
        region="us-east-1",
        client_options={"allow_http": True},
    )
    keys = [item["path"] for batch in obstore.list(client, "p/a") for item in batch]
    assert sorted(keys) == [key for key in project.all_keys() if key.startswith("p/a/")]
    assert bytes(obstore.get(client, "p/a/v1/x.txt").bytes()) == CONTENT
    summary = obstore.get(client, "p/a/v1/..summary")
    assert json.loads(bytes(summary.bytes()))["upload_user_id"] == "alice"


def test_files_are_read_in_parts_through_the_service(project: Api) -> None:
    content = bytes(index % 251 for index in range(1009)) * 20_000
    project.upload("p/a/v1", {"x": content})
    answer = project.get("p/a/v1/x")
    assert answer.body == content
    assert answer.headers["etag"].strip('"') == entry("x", content)["md5sum"]
    assert project.get("p/a/v1/x", Range="bytes=9000000-9000009").body == content[9000000:9000010]
    assert project.get("p/a/v1/none").status == 404


def test_exactly_one_of_two_services_wins(store: Store) -> None:
    with (
        one_at_a_time(store) as place,
        gypsum.server(store=place) as one,
        gypsum.server(store=place) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        apis = [Api(one.url, store.directory), Api(other.url, store.directory)]
        apis[0].create("p")

        def start(number: int) -> int:
            return apis[number % 2].start(f"p/a/v{number}", []).status

        def create(number: int) -> int:
            return apis[number % 2].admin("POST", "/create/q", {}).status

        for turn in range(8):
            assert sorted(pool.map(start, range(8))) == [200] + [403] * 7, turn
            assert apis[0].admin("DELETE", "/unlock/p").status == 200
            assert apis[1].admin("DELETE", "/remove/p/a").status == 200
            assert sorted(pool.map(create, range(8))) == [200] + [400] * 7, turn
            assert apis[0].admin("DELETE", "/remove/q").status == 200


def test_names_that_the_store_cannot_hold_are_refused(project: Api) -> None:
    answer = project.start("p/a/v1", [entry("a\nb", b"")])
    assert (answer.status, "control" in answer.reason) == (400, True)
    assert project.get("p/a\nb").status == 404


def test_the_fixture_can_be_built_there(store: Store) -> None:
    with gypsum.server(store=store.place) as running:
        running.add_fixture()
        api = Api(running.url, store.directory)
        assert api.read("test-R/..usage") == {"total": 73}
        assert api.read("test-R/basic/..latest") == {"version": "v3"}
        assert api.admin("DELETE", "/remove/test-R").status == 200
        settle(store)
        assert api.all_keys() == [f"test-Py/..{name}" for name in ("permissions", "quota", "usage")]


def test_a_store_that_cannot_be_reached_is_an_error_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(RuntimeError, match="expected `s3://"):
        gypsum.server(store="http://data").start()
