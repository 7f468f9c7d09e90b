"""Contents on their way to a server that does not always take them."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import girder_client
import pytest
import requests
from girder_client import _uploads
from support.fake import Fake, Reply, as_json, serving
from support.girder_store import Store, Upload
from support.workers import fork

MIB = 1 << 20


@contextlib.contextmanager
def storing(**settings: Any) -> Iterator[tuple[girder_client.GirderClient, Store, Fake]]:
    bodies: list[bytes] = []
    store = Store(bodies, **settings)
    with serving(store, bodies=bodies) as server:
        yield girder_client.GirderClient(apiUrl=server.url), store, server


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less."""
    monkeypatch.setattr("selenite._rest._FIRST_PAUSE_SECONDS", 0.001)


def once(*answers: tuple[int, Reply]) -> Callable[[Upload, bytes], tuple[int, Reply | None]]:
    """Faults one after the other, then none."""
    left = iter(answers)

    def fault(upload: Upload, body: bytes) -> tuple[int, Reply | None]:
        found = next(left, None)
        return (len(body), None) if found is None else (min(found[0], len(body)), found[1])

    return fault


def test_chunks_come_in_order() -> None:
    told: list[dict[str, int]] = []
    with storing() as (gc, store, server):
        gc.MAX_CHUNK_SIZE = 4
        done = gc.uploadFile("p", io.BytesIO(b"0123456789more"), "n.txt", 10, "folder", told.append)
    assert store.chunks == [(0, 4), (4, 4), (8, 2)]
    assert told == [{"current": at, "total": 10} for at in (4, 8, 10)]
    assert bytes(store.uploads[done["_id"]].content) == b"0123456789"
    assert store.uploads[done["_id"]].parameters == {
        "parentType": "folder",
        "parentId": "p",
        "name": "n.txt",
        "mimeType": "text/plain",
        "size": "10",
    }
    assert server.asked[0].startswith("POST /file?")


def test_text_is_sent_as_utf_8_and_sizes_are_those_of_bytes(tmp_path: Path) -> None:
    text = "äöü" * 5
    (tmp_path / "t").write_text(text, encoding="utf-8")
    with storing() as (gc, store, _), (tmp_path / "t").open(encoding="utf-8") as file:
        gc.MAX_CHUNK_SIZE = 7
        for stream in (io.StringIO(text), file):
            done = gc.uploadFile("p", stream, "n", 30)
            assert bytes(store.uploads[done["_id"]].content).decode() == text
        assert [length for _, length in store.chunks[:5]] == [7, 7, 7, 7, 2]


class Slow(io.RawIOBase):
    """Gives a few bytes at a time, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(min(3, size))


def test_chunks_are_filled_from_streams_that_give_less() -> None:
    with storing() as (gc, store, _):
        gc.MAX_CHUNK_SIZE = 8
        gc.uploadFile("p", Slow(b"x" * 20), "n", 20)
    assert store.chunks == [(0, 8), (8, 8), (16, 4)]


def test_of_a_stream_one_chunk_is_in_memory() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    def take(path: str, **given: Any) -> dict[str, str]:
        while given.get("data") and given["data"].read(65536):
            pass
        return {"_id": "u"}

    gc = girder_client.GirderClient()
    gc.MAX_CHUNK_SIZE = 4 * MIB
    with mock.patch.object(gc, "post", take):
        tracemalloc.start()
        try:
            gc.uploadFile("p", Endless(), "n", 6 * gc.MAX_CHUNK_SIZE)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < 5 * MIB


def test_a_stream_that_ends_early_leaves_nothing() -> None:
    with storing() as (gc, store, _):
        with pytest.raises(girder_client.IncorrectUploadLengthError) as raised:
            gc.uploadFile("p", io.BytesIO(b"12345"), "n", 6)
        assert str(raised.value) == "Expected upload to be 6 bytes, but received 5."
        assert raised.value.upload is not None
        assert raised.value.upload["received"] == 5
        assert store.cancelled == [raised.value.upload["_id"]]
        store.chunks.clear()
        count = len(store.uploads)
        with pytest.raises(girder_client.IncorrectUploadLengthError):
            gc.uploadStreamToFolder("p", io.BytesIO(b"12345"), "n", 6)
        assert len(store.uploads) == count


def test_a_callback_that_fails_leaves_nothing() -> None:
    def told(_: object) -> None:
        raise ZeroDivisionError

    with storing() as (gc, store, _):
        gc.MAX_CHUNK_SIZE = 4
        with pytest.raises(ZeroDivisionError):
            gc.uploadFile("p", io.BytesIO(b"x" * 10), "n", 10, progressCallback=told)
    assert store.chunks == [(0, 4)]
    assert store.cancelled == list(store.uploads)


def test_small_files_are_one_request(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"content")
    told: list[Any] = []
    with storing() as (gc, store, server):
        gc.uploadFileToFolder("p", tmp_path / "a.txt", reference="r", progressCallback=told.append)
        gc.uploadStreamToFolder("p", io.BytesIO(b""), "empty", 0)
    assert [line.partition("?")[0] for line in server.asked] == [
        "GET /system/version",
        "POST /file",
        "POST /file",
    ]
    first = store.uploads["0" * 24]
    assert (bytes(first.content), first.parameters["reference"]) == (b"content", "r")
    assert first.parameters["mimeType"] == "text/plain"
    assert (store.chunks, told) == ([], [])


def test_empty_files_have_a_length() -> None:
    heads: list[dict[str, str]] = []
    with serving(lambda _, __: as_json({"_id": "1", "release": "5"}), heads=heads) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.uploadStreamToFolder("p", io.BytesIO(b""), "n", 0)
        gc.uploadFile("p", io.BytesIO(b""), "n", 0)
    assert [head.get("content-length") for head in heads[1:]] == ["0", "0"]
    assert all("transfer-encoding" not in head for head in heads)


def test_old_servers_get_chunks() -> None:
    for release, expected in (("2.2.0", 1), ("2.3.0", 0), ("10.0.0", 0), ("3.0.0a5", 0)):
        with storing() as (gc, store, _):
            gc._serverVersion = release.split(".", 2)
            gc.uploadStreamToFolder("p", io.BytesIO(b"abc"), "n", 3)
        assert len(store.chunks) == expected, release


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_it_goes_on_where_the_server_is(kind: str, tmp_path: Path) -> None:
    content = os.urandom(30)
    (tmp_path / "f").write_bytes(b"before" + content)
    faults = once((4, Reply(b"", 503)), (2, Reply(b"", 502, close=True)), (8, Reply(b"", 504)))
    shown: list[int] = []

    class Reporter(girder_client._NoopProgressReporter):
        def update(self, chunkSize: int) -> None:
            shown.append(chunkSize)

    with storing(fault=faults) as (gc, store, _), (tmp_path / "f").open("rb") as file:
        file.seek(6)
        gc.progressReporterCls = Reporter
        gc.MAX_CHUNK_SIZE = 8
        done = gc.uploadFile("p", file if kind == "file" else io.BytesIO(content), "n", 30)
        if kind == "file":
            assert file.tell() == 36
    assert bytes(store.uploads[done["_id"]].content) == content
    assert [offset for offset, _ in store.chunks] == [0, 4, 6, 14, 22]
    assert sum(shown) == 30
    assert store.cancelled == []


@pytest.fixture
def by_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the core send small files, too."""
    monkeypatch.setattr(_uploads, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(_uploads, "_LEAST_CHUNK", 4)


@pytest.mark.usefixtures("by_core")
def test_the_core_goes_on_where_the_server_is(tmp_path: Path) -> None:
    content = os.urandom(30)
    (tmp_path / "f").write_bytes(content)
    told: list[dict[str, int]] = []
    shown: list[int] = []

    class Reporter(girder_client._NoopProgressReporter):
        def update(self, chunkSize: int) -> None:
            shown.append(chunkSize)

    faults = once((4, Reply(b"", 503)), (2, Reply(b"", 502, close=True)), (0, Reply(b"", 413)))
    with storing(fault=faults) as (gc, store, _):
        gc.progressReporterCls = Reporter
        gc.MAX_CHUNK_SIZE = 12
        done = gc.uploadFileToFolder("p", tmp_path / "f", progressCallback=told.append)
    assert bytes(store.uploads[done["_id"]].content) == content
    assert store.chunks == [(0, 12), (4, 12), (6, 12), (6, 6), (12, 6), (18, 6), (24, 6)]
    assert sum(shown) == 30
    assert told[-1] == {"current": 30, "total": 30}
    assert store.cancelled == []


@pytest.mark.usefixtures("by_core")
def test_the_core_leaves_nothing_and_takes_a_lost_answer_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    (tmp_path / "n").write_bytes(b"x" * 10)
    with storing(fault=once((99, Reply(b"", 502)))) as (gc, store, _):
        gc.MAX_CHUNK_SIZE = 9
        with (tmp_path / "n").open("rb") as file:
            done = gc.uploadFile("item", file, "n", 10)
    assert done["_modelType"] == "file"
    assert store.cancelled == []
    with (
        storing(fault=lambda _, __: (0, Reply(b"", 503))) as (gc, store, _),
        pytest.raises(girder_client.HttpError, match="503"),
        (tmp_path / "n").open("rb") as file,
    ):
        gc.uploadFile("item", file, "n", 10)
    assert store.cancelled == list(store.uploads)

    def told(_: object) -> None:
        raise ZeroDivisionError

    with (
        storing() as (gc, store, _),
        pytest.raises(ZeroDivisionError),
        (tmp_path / "n").open("rb") as file,
    ):
        gc.uploadFile("item", file, "n", 10, progressCallback=told)


@pytest.mark.usefixtures("by_core")
@pytest.mark.parametrize("times", [1, 9])
def test_what_the_server_digests_wrongly_is_sent_again(times: int, tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(b"x" * 10)
    right = girder_client.GirderClient().sha512_hasher(tmp_path / "n")
    left = itertools.repeat("00", times)

    class Digesting(Store):
        def __call__(self, method: str, path: str) -> Reply:
            answer = super().__call__(method, path)
            told = json.loads(answer.body)
            if isinstance(told, dict) and told.get("_modelType") == "file":
                told["sha512"] = next(left, right)
            return as_json(told)

    bodies: list[bytes] = []
    store = Digesting(bodies)
    with serving(store, bodies=bodies) as server, (tmp_path / "n").open("rb") as file:
        gc = girder_client.GirderClient(apiUrl=server.url)
        if times == 1:
            assert gc.uploadFile("p", file, "n", 10)["sha512"] == right
        else:
            with pytest.raises(requests.ConnectionError, match="another digest"):
                gc.uploadFile("p", file, "n", 10)
    assert [line.partition("?")[0] for line in server.asked] == [
        "POST /file",
        "POST /file/chunk",
        f"PUT /file/{'0' * 24}/contents",
        "POST /file/chunk",
    ]


class Closing(Store):
    """Ends each connection after an answer, without having said so."""

    def __call__(self, method: str, path: str) -> Reply:
        return replace(super().__call__(method, path), close=True)


@pytest.mark.usefixtures("by_core")
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_between_chunks_connections_may_end_and_processes_fork(kind: str, tmp_path: Path) -> None:
    content = os.urandom(40)
    (tmp_path / "f").write_bytes(content)
    children: list[int] = []
    bodies: list[bytes] = []
    store = Closing(bodies)
    with serving(store, bodies=bodies) as server, (tmp_path / "f").open("rb") as file:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.MAX_CHUNK_SIZE = 8

        def child() -> None:
            gc.uploadStreamToFolder("p", io.BytesIO(b"of a child"), "n", 10)
            with (tmp_path / "f").open("rb") as own:
                gc.uploadFile("p", own, "n", 40)

        def between(told: dict[str, int]) -> None:
            if told["current"] == 16:
                children.append(fork(child))
                assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0

        stream = file if kind == "file" else io.BytesIO(content)
        done = gc.uploadFile("p", stream, "n", 40, progressCallback=between)
    assert len(children) == 1
    assert bytes(store.uploads[done["_id"]].content) == content
    assert len(store.uploads) == 3
    assert all(len(one.content) == one.size for one in store.uploads.values())
    assert store.cancelled == []


HELD = """
import io, os, sys, threading, time
import girder_client
from girder_client import _uploads
from selenite import _rest
_rest._IDLE_SECONDS = -1.0  # as after a pause: what is sent once needs a new connection
_uploads.LARGEST_WHOLE, _uploads._LEAST_CHUNK = 0, 4
gc = girder_client.GirderClient(apiUrl=sys.argv[1], verbose=False)
gc.MAX_CHUNK_SIZE = 8
def held():
    return [len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task")]
def upload():
    gc.upload(sys.argv[2], "p")
    gc.uploadFile("p", io.BytesIO(bytes(40)), "n", 40)
upload()
before = held()
for _ in range(4):
    upload()
deadline = time.monotonic() + 20
while held()[1] > before[1] and time.monotonic() < deadline:
    time.sleep(0.001)
print(*before, *held())
"""


def test_what_uploads_with_pauses_hold_is_given_back(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}").write_bytes(bytes(40))
    bodies: list[bytes] = []
    with serving(Store(bodies), bodies=bodies) as server:
        command = [sys.executable, "-c", HELD, server.url, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    files, threads, files_now, threads_now = map(int, done.stdout.split())
    # Each of eight workers may keep two connections, one of either way.
    assert files_now <= files + 16
    assert threads_now <= threads


def test_a_server_that_stays_away_is_left_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    with (
        storing(fault=lambda _, __: (0, Reply(b"", 503))) as (gc, store, _),
        pytest.raises(girder_client.HttpError, match="503"),
    ):
        gc.uploadFile("p", io.BytesIO(b"x" * 10), "n", 10)
    assert len(store.chunks) == 3
    assert store.cancelled == list(store.uploads)


@pytest.mark.parametrize("is_new", [True, False])
def test_a_lost_last_answer_is_no_failure(is_new: bool) -> None:
    with storing(fault=once((99, Reply(b"", 502)))) as (gc, store, _):
        stream = io.BytesIO(b"x" * 10)
        done = (
            gc.uploadFile("item", stream, "n", 10)
            if is_new
            else gc.uploadFileContents("file", stream, 10)
        )
    assert done["size"] == 10
    assert done["_modelType"] == "file"
    assert len(store.chunks) == 1
    assert store.cancelled == []


def test_one_request_that_broke_becomes_chunks() -> None:
    with storing(fault=once((0, Reply(b"", 503)))) as (gc, store, _):
        gc.uploadStreamToFolder("p", io.BytesIO(b"abc"), "n", 3)
        assert store.chunks == [(0, 3)]
        assert bytes(list(store.uploads.values())[-1].content) == b"abc"


@pytest.mark.parametrize("kind", ["stream", "file"])
@pytest.mark.parametrize("release", ["1", "5"])
def test_a_token_that_expires_on_the_way_is_replaced(
    release: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "file":
        monkeypatch.setattr(_uploads, "LARGEST_WHOLE", 0)
    (tmp_path / "n").write_bytes(b"abc")
    monkeypatch.setattr("girder_client._login.by_key", lambda gc, key: gc.setToken(f"by {key}"))
    refusal = as_json({"message": "You must be logged in.", "type": "access"}, 401)
    with (
        storing(fault=once((0, refusal))) as (gc, store, _),
        (tmp_path / "n").open("rb") as file,
    ):
        gc._serverVersion, gc._apiKey = [release], "key"
        gc.uploadStreamToFolder("p", file if kind == "file" else io.BytesIO(b"abc"), "n", 3)
    assert gc.token == "by key"
    assert bytes(list(store.uploads.values())[-1].content) == b"abc"


def test_a_server_that_refuses_each_token_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = itertools.count()
    monkeypatch.setattr(
        "girder_client._login.by_key", lambda gc, key: gc.setToken(f"t{next(count)}")
    )
    refusal = as_json({"message": "You must be logged in.", "type": "access"}, 401)
    with storing(fault=lambda _, __: (0, refusal)) as (gc, *_):
        gc._serverVersion, gc._apiKey = ["1"], "key"
        with pytest.raises(girder_client.HttpError, match="401"):
            gc.uploadStreamToFolder("p", io.BytesIO(b"abc"), "n", 3)
    assert next(count) < 20


def test_nobody_waits_for_as_long_as_a_server_likes() -> None:
    busy = Reply(b"", 503, headers={"Retry-After": "inf"})
    with storing(fault=once((0, busy))) as (gc, *_):
        gc._serverVersion = ["1"]
        with pytest.raises(girder_client.HttpError, match="503"):
            gc.uploadStreamToFolder("p", io.BytesIO(b"abc"), "n", 3)


@pytest.mark.parametrize("status", [408, 413])
def test_chunks_that_are_too_large_are_halved(status: int) -> None:
    def fault(upload: Upload, body: bytes) -> tuple[int, Reply | None]:
        too_large = len(body) > 11 * MIB
        return (0, Reply(b"too large", status)) if too_large else (len(body), None)

    with storing(fault=fault) as (gc, store, _):
        gc.uploadFile("p", io.BytesIO(bytes(13 * MIB)), "n", 13 * MIB)
        assert [length / MIB for _, length in store.chunks] == [13, 6.5, 6.5]
    with storing(fault=lambda _, __: (0, Reply(b"", status))) as (gc, store, _):
        with pytest.raises(girder_client.HttpError, match="client_max_body_size"):
            gc.uploadFile("p", io.BytesIO(bytes(6 * MIB)), "n", 6 * MIB)
        assert [length / MIB for _, length in store.chunks] == [6, 5]
        assert store.cancelled == list(store.uploads)


@pytest.mark.usefixtures("by_core")
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_what_has_to_come_whole_is_not_halved(kind: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(12))
    refusal = once((0, Reply(b"", 413)))
    with (
        storing(fault=refusal, extra=s3(chunked=False)) as (gc, store, _),
        (tmp_path / "f").open("rb") as file,
        pytest.raises(girder_client.HttpError, match="client_max_body_size"),
    ):
        gc.uploadFile("p", file if kind == "file" else io.BytesIO(bytes(12)), "n", 12)
    assert store.chunks == [(0, 12)]


def s3(chunked: bool) -> dict[str, Any]:
    return {"behavior": "s3", "s3": {"chunked": chunked, "chunkLength": 64 * MIB}}


def test_stores_that_take_a_file_whole_get_it_so() -> None:
    with storing(extra=s3(chunked=False)) as (gc, store, _):
        gc.MAX_CHUNK_SIZE = 8 * MIB
        gc.uploadFile("p", io.BytesIO(bytes(20 * MIB)), "n", 20 * MIB)
        assert store.chunks == [(0, 20 * MIB)]


def test_chunks_for_s3_are_neither_too_small_nor_too_many() -> None:
    gc = girder_client.GirderClient()
    upload = s3(chunked=True)
    assert _uploads.chunk_size(gc, upload, 100 * MIB) == 64 * MIB
    assert _uploads.chunk_size(gc, upload, 128_000 * MIB) == 128 * MIB
    assert _uploads.chunk_size(gc, upload, 128_001 * MIB) == 129 * MIB
    gc.MAX_CHUNK_SIZE = MIB
    assert _uploads.chunk_size(gc, upload, 100 * MIB) == 5 * MIB
    assert _uploads.chunk_size(gc, {}, 100 * MIB) == MIB


@pytest.mark.usefixtures("by_core")
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_an_untouched_upload_to_s3_begins_anew(kind: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 9)
    refusal = {"message": "You should not call requestOffset on a chunked direct-to-S3 upload."}

    class Odd(Store):
        def __call__(self, method: str, path: str) -> Reply:
            answer = super().__call__(method, path)
            return as_json(refusal, 400) if "offset?" in path else answer

    bodies: list[bytes] = []
    store = Odd(bodies, fault=once((0, Reply(b"", 503))), extra=s3(chunked=True))
    with serving(store, bodies=bodies) as server, (tmp_path / "f").open("rb") as file:
        gc = girder_client.GirderClient(apiUrl=server.url)
        done = gc.uploadFile("p", file if kind == "file" else io.BytesIO(b"x" * 9), "n", 9)
    assert store.chunks == [(0, 9), (0, 9)]
    assert bytes(store.uploads[done["_id"]].content) == b"x" * 9


def test_answers_that_are_no_documents_are_told() -> None:
    with serving(lambda _, __: as_json({"odd": 1})) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        start = 'for a new file, expected an object with an id. Got instead: {"odd": 1}'
        with pytest.raises(Exception, match=start):
            gc.uploadFile("p", io.BytesIO(b"x"), "n", 1)
        with pytest.raises(Exception, match="for replacing file contents, expected an object"):
            gc.uploadFileContents("f", io.BytesIO(b"x"), 1)


def test_files_that_are_there_are_compared(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "n").write_bytes(b"abc")
    abc = (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )
    file: dict[str, Any] = {"_id": "f", "name": "n", "size": 3}
    with serving(lambda _, path: as_json([file] if "files" in path else {"_id": "u"})) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        assert gc.isFileCurrent("i", "n", tmp_path / "n") == ("f", True)
        assert gc.isFileCurrent("i", "other", str(tmp_path / "n")) == (None, False)
        file["sha512"] = abc
        assert gc.isFileCurrent("i", "n", tmp_path / "n") == ("f", True)
        file["sha512"] = abc[::-1]
        assert gc.isFileCurrent("i", "n", tmp_path / "n") == ("f", False)
        file.pop("sha512")
        os.environ["SELENITE_PROGRESS"] = "on"
        assert gc.uploadFileToItem("i", tmp_path / "n") is None
        assert capsys.readouterr().out == "File n already exists in parent Item\n"
        file["size"] = 4
        assert gc.uploadFileToItem("i", tmp_path / "n") == {"_id": "u"}
        said = "File n exists in item, but with stale contents\n"
        assert capsys.readouterr().out == said


class Recorder:
    """Shows what reporters are told."""

    reportProgress = False

    def __init__(self, label: str = "", length: int = 0) -> None:
        self.label, self.length, self.count = label, length, 0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        print(f"[{self.label} {self.count} of {self.length}]")

    def update(self, chunkSize: int) -> None:
        self.count += chunkSize


@pytest.mark.parametrize("workers", [1, 8])
def test_trees_are_told_of_in_order(
    workers: int, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_PROGRESS", "on")
    monkeypatch.chdir(tmp_path)
    for name in ("t/a", "t/b/c", "t/b/d", "t/e", "t/left/out"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    Path("t/link").symlink_to("a")
    with storing() as (gc, _, __):
        gc.progressReporterCls = Recorder
        gc.maxWorkers = workers
        gc.addItemUploadCallback(lambda item, path: print("item", path))
        gc.addFolderUploadCallback(lambda folder, path: print("folder", path))
        gc.upload("t", "p", blacklist=["left"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "Creating Folder from t",
        *item("a"),
        "Creating Folder from t/b",
        *item("b/c"),
        *item("b/d"),
        "folder t/b",
        *item("e"),
        "Skipping file link as it is a symlink",
        "folder t",
    ]


def item(path: str) -> list[str]:
    name = os.path.basename(path)
    return [f"Uploading Item from {name}", f"[{name} 1 of 1]", f"item t/{path}"]


def test_eight_files_go_at_once_whatever_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for a server that may be far."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    for number in range(8):
        (tmp_path / f"{number}").write_text("x")
    together = threading.Barrier(8)

    def script(method: str, path: str) -> Reply:
        if method == "POST" and path.startswith("/file?"):
            together.wait(30)
        return as_json({"_id": "1", "name": "n", "release": "5.0.21"})

    with serving(script) as server:
        girder_client.GirderClient(apiUrl=server.url).upload(str(tmp_path / "*"), "f")
        assert sum("POST /file?" in line for line in server.asked) == 8


def test_nothing_is_changed_in_a_dry_run(tmp_path: Path, capsys: Any) -> None:
    os.environ["SELENITE_PROGRESS"] = "on"
    (tmp_path / "t" / "leaf").mkdir(parents=True)
    for name in ("a", "b", "leaf/c"):
        (tmp_path / "t" / name).write_text("x")
    with storing() as (gc, _, server):
        gc.upload(tmp_path / "t", "p", dryRun=True, blacklist=["b"], leafFoldersAsItems=True)
        gc.upload(str(tmp_path / "x[1]*"), "p")
    assert server.asked == []
    assert capsys.readouterr().out.splitlines() == [
        f"Creating Folder from {tmp_path / 't'}",
        "Uploading Item from a",
        "Ignoring file b as it is blacklisted",
        f"Creating Item from folder {tmp_path / 't' / 'leaf'}",
        "Adding file c, (1 of 1) to Item",
        f"No matching files: {str(tmp_path / 'x[1]*')!r}",
    ]


def test_existing_paths_come_before_patterns_and_dots_have_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "x[1]").mkdir(parents=True)
    (tmp_path / "here" / "x[1]" / "f").write_text("x")
    monkeypatch.chdir(tmp_path / "here")
    with storing() as (gc, store, server):
        gc.upload("x[1]", "p")
        gc.upload(".", "p")
        gc.upload(["x*/f", Path("x[1]/f")], "p")
    folders = [line for line in server.asked if line.startswith("POST /folder?")]
    assert ["name=x%5B1%5D&" in line for line in folders] == [True, False, True]
    assert "name=here&" in folders[1]
    assert len(store.uploads) == 4


def test_links_that_are_named_are_followed_and_empty_folders_are_leaves(tmp_path: Path) -> None:
    (tmp_path / "folder" / "empty").mkdir(parents=True)
    (tmp_path / "folder" / "file").write_text("x")
    (tmp_path / "folder" / "inner").symlink_to("empty")
    (tmp_path / "to-folder").symlink_to("folder")
    (tmp_path / "to-file").symlink_to("folder/file")
    with storing() as (gc, store, server):
        gc.maxWorkers = 1
        gc.upload([tmp_path / "to-folder", str(tmp_path / "to-f*e")], "p", leafFoldersAsItems=True)
    made = [line.partition("?") for line in server.asked if line.startswith("POST")]
    assert [(place, query.partition("name=")[2].partition("&")[0]) for place, _, query in made] == [
        ("POST /folder", "to-folder"),
        ("POST /item", "empty"),
        ("POST /file", "file"),
        ("POST /file", "to-file"),
    ]
    assert [one.parameters["name"] for one in store.uploads.values()] == ["file", "to-file"]


def test_only_folders_take_items(tmp_path: Path) -> None:
    (tmp_path / "leaf").mkdir()
    (tmp_path / "leaf" / "a").write_text("x")
    with storing() as (gc, _, server):
        with pytest.raises(Exception, match=r"upload an item under a collection\. Items can only"):
            gc.upload(tmp_path / "leaf" / "a", "p", "collection")
        with pytest.raises(Exception, match=r"a folder as an item under a user\. Items can only"):
            gc.upload(tmp_path / "leaf", "p", "user", leafFoldersAsItems=True)
    assert server.asked == []


def test_messages_go_to_the_log_if_that_is_wanted(
    tmp_path: Path, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    os.environ["SELENITE_PROGRESS"] = "on"
    caplog.set_level("INFO", "girder_client.lib")
    girder_client.GirderClient(verbose=False).upload(tmp_path / "none", "p")
    assert capsys.readouterr().out == ""
    assert "No matching files" in caplog.text
