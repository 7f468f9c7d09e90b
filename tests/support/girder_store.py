"""The uploads of a scripted Girder, which refuses, forgets and breaks off as it is told to."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.fake import Reply, as_json


@dataclass
class Upload:
    """One upload, and the file that it becomes.

    Attributes:
        id: Its id.
        parameters: What it was started with.
        content: What has arrived.
    """

    id: str
    parameters: dict[str, str]
    content: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        """How much is to arrive."""
        return int(self.parameters["size"])

    def document(self) -> dict[str, Any]:
        """What the server says of it."""
        known = {"_id": self.id, "size": self.size, "name": self.parameters.get("name", "")}
        if len(self.content) == self.size:
            return {**known, "_modelType": "file", "created": "2030"}
        started = {key: self.parameters.get(key) for key in ("parentId", "parentType", "fileId")}
        return {**known, **started, "received": len(self.content), "created": "2029"}


# From the upload and the bytes that have come: how many of them arrive, and what is answered if it
# is not the truth.
Fault = Callable[[Upload, bytes], tuple[int, Reply | None]]


@dataclass
class Store:
    """Uploads of a scripted server: a script for `support.fake.serving`, with its `bodies`.

    Attributes:
        bodies: The bodies of all requests.
        fault: What goes wrong with chunks.
        extra: What the answer to a start says besides.
        chunks: Offset and length of each chunk that came.
        uploads: All uploads by their ids.
        cancelled: Ids of those that were cancelled.
    """

    bodies: list[bytes]
    fault: Fault = lambda upload, body: (len(body), None)
    extra: dict[str, Any] = field(default_factory=dict)
    chunks: list[tuple[int, int]] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)

    def __call__(self, method: str, path: str) -> Reply:
        """Answer a request."""
        place, _, query = path.partition("?")
        given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        body = self.bodies[-1]
        if (method, place) == ("POST", "/file"):
            return self._take(self._start(given), body, given)
        if method == "PUT" and place.endswith("/contents"):
            return self._take(self._start({**given, "fileId": place.split("/")[2]}), body, given)
        if (method, place) == ("POST", "/file/chunk"):
            upload = self.uploads[given["uploadId"]]
            offset = int(given["offset"])
            if offset != len(upload.content):
                had = len(upload.content)
                text = f"Server has received {had} bytes, but client sent offset {offset}."
                return as_json({"type": "rest", "message": text}, 400)
            self.chunks.append((offset, len(body)))
            return self._take(upload, body, given)
        if (method, place) == ("GET", "/file/offset"):
            upload = self.uploads[given["uploadId"]]
            if len(upload.content) == upload.size:
                return as_json({"message": "Invalid upload id", "type": "rest"}, 400)
            return as_json({"offset": len(upload.content)})
        if method == "DELETE":
            self.cancelled.append(place.rpartition("/")[2])
            return as_json({"message": "Upload canceled."})
        if (method, place) in (("POST", "/folder"), ("POST", "/item")):
            return as_json({"_id": place.strip("/"), "name": given["name"]})
        return self._ask(place, given)

    def _start(self, given: dict[str, str]) -> Upload:
        upload = Upload(f"{len(self.uploads):024}", given)
        self.uploads[upload.id] = upload
        return upload

    def _take(self, upload: Upload, body: bytes, given: dict[str, str]) -> Reply:
        count, answer = self.fault(upload, body) if body else (0, None)
        upload.content += body[:count]
        extra = self.extra if not body else {}
        return answer or as_json({**upload.document(), **extra})

    def _ask(self, place: str, given: dict[str, str]) -> Reply:
        if place == "/system/version":
            return as_json({"release": "5.0.21"})
        files = [one.document() for one in self.uploads.values() if len(one.content) == one.size]
        if place == "/item":
            return as_json([{"_id": "item", "name": "n"}] if given.get("name") == "n" else [])
        if place == "/item/item/files":
            return as_json(files)
        if place.startswith("/file/"):
            return as_json({**files[-1], "_id": place.split("/")[2]})
        return as_json([])
