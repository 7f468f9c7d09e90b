"""Contents that go to a store of S3 themselves, as a scripted Girder and a scripted store say."""

from __future__ import annotations

import contextlib
import io
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import girder_client
import pytest
import requests
from support.fake import Fake, Reply, as_json, serving

CONTENT = os.urandom(20)
SIGNED = {"x-amz-signed": "yes", "content-type": "text/x-own"}


class Site:
    """A Girder, and the store that it sends clients to.

    Attributes:
        store: The store, once it runs.
        told: What Girder was told of each part.
        parts: What came to the store, by path.
        heads: The headers that came to the store.
        answers: What the store answers next, instead of taking what comes.
    """

    def __init__(self, chunked: bool) -> None:
        self.chunked = chunked
        self.store = ""
        self.told: list[dict[str, Any]] = []
        self.parts: dict[str, bytes] = {}
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.answers: list[Reply] = []

    def request(self, method: str, place: str) -> dict[str, Any]:
        return {"method": method, "url": f"{self.store}/{place}?signature=1", "headers": SIGNED}

    def girder(self, method: str, path: str) -> Reply:
        place, _, query = path.partition("?")
        given = dict(urllib.parse.parse_qsl(query))
        if place == "/file":
            first = ("POST", "begin") if self.chunked else ("PUT", "whole")
            s3 = {"chunked": self.chunked, "chunkLength": 8, "request": self.request(*first)}
            return as_json({"_id": "u", "name": "n", "received": 0, "behavior": "s3", "s3": s3})
        if place == "/file/chunk":
            self.told.append({**json.loads(given["chunk"]), "offset": given["offset"]})
            part = self.told[-1]["partNumber"]
            return as_json({"s3": {"request": self.request("PUT", f"part{part}")}})
        if place == "/file/completion":
            return as_json({"_id": "f", "name": "n", "uploadId": given["uploadId"]})
        return as_json({})

    def take(self, method: str, path: str) -> Reply:
        if self.answers:
            return self.answers.pop(0)
        self.parts[path] = self.bodies[-1]
        return Reply(b"<Result><UploadId>of-s3</UploadId></Result>" if "begin" in path else b"")


@contextlib.contextmanager
def direct(chunked: bool) -> Iterator[tuple[girder_client.GirderClient, Site, Fake]]:
    site = Site(chunked)
    with (
        serving(site.take, heads=site.heads, bodies=site.bodies) as store,
        serving(site.girder) as server,
    ):
        site.store = store.url
        gc = girder_client.GirderClient(apiUrl=server.url, direct=True)
        gc.setToken("secret")
        # Of several at once, nobody could say which body belongs to which request.
        gc.maxWorkers = 1
        yield gc, site, server


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_parts_go_to_the_store_as_it_wants_them(kind: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    told: list[Any] = []
    with direct(chunked=True) as (gc, site, server), (tmp_path / "f").open("rb") as file:
        stream = file if kind == "file" else io.BytesIO(CONTENT)
        done = gc.uploadFile("p", stream, "n", 20, progressCallback=told.append)
    assert done == {"_id": "f", "name": "n", "uploadId": "u"}
    assert site.parts == {
        "/begin?signature=1": b"",
        "/part1?signature=1": CONTENT[:8],
        "/part2?signature=1": CONTENT[8:16],
        "/part3?signature=1": CONTENT[16:],
    }
    assert site.told == [
        {"s3UploadId": "of-s3", "partNumber": number, "contentLength": length, "offset": "0"}
        for number, length in ((1, 8), (2, 8), (3, 4))
    ]
    assert [line.partition("?")[0] for line in server.asked] == [
        "POST /file",
        *["POST /file/chunk"] * 3,
        "POST /file/completion",
    ]
    assert told == [{"current": 20, "total": 20}]
    assert "secret" not in json.dumps(site.heads)
    assert all(SIGNED.items() <= head.items() for head in site.heads)


def test_what_is_not_too_large_goes_whole(tmp_path: Path) -> None:
    (tmp_path / "n").write_bytes(CONTENT)
    with direct(chunked=False) as (gc, site, _):
        site.answers = [Reply(b"", 503)]
        gc.uploadFileToFolder("p", tmp_path / "n")
    assert site.parts == {"/whole?signature=1": CONTENT}
    assert "secret" not in json.dumps(site.heads)


@pytest.mark.parametrize("chunked", [True, False])
def test_what_the_store_refuses_is_cancelled(chunked: bool) -> None:
    with direct(chunked) as (gc, site, server):
        site.answers = [Reply(b"<Code>AccessDenied</Code>", 403)]
        with pytest.raises(girder_client.HttpError, match="AccessDenied") as raised:
            gc.uploadFile("p", io.BytesIO(CONTENT), "n", 20)
        assert "signature" not in raised.value.url
        site.answers = [Reply(b"<Result/>")]
        if chunked:
            with pytest.raises(requests.ConnectionError, match="does not say what the upload"):
                gc.uploadFile("p", io.BytesIO(CONTENT), "n", 20)
    assert server.asked.count("DELETE /file/upload/u") == (2 if chunked else 1)
    assert not any("completion" in line for line in server.asked)
