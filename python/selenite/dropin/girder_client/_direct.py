"""Content that goes to a store of S3 itself, as browsers send it.

Girder tells where, and is told when all has arrived. No request to the store carries the token.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import requests

from selenite import _rest

from ._errors import HttpError
from ._together import Team, check, reporting, workers
from ._uploads import Counted, Source, cancel, checked

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import GirderClient
    from ._uploads import Callback

    Record = dict[str, Any]

_UPLOAD = re.compile(r"<UploadId>([^<]+)</UploadId>")
_SENT = "After completing an upload, did not receive object with _id. Got instead: "


def upload_contents(
    gc: GirderClient, upload: Record, stream: Any, size: int, callback: Callback | None
) -> Record:
    """Send content to the store of an upload, and leave nothing half-written there.

    Args:
        gc: The client.
        upload: The upload, as the server describes it.
        stream: What is read.
        size: Bytes in all.
        callback: Called at the end.

    Returns:
        The document of the file.
    """
    with reporting(gc, str(upload.get("name") or ""), size) as reporter:
        try:
            done = _upload(gc, upload, stream, size, Counted(reporter.update).update)
        except BaseException:
            cancel(gc, upload)
            raise
    if callback is not None:
        callback({"current": size, "total": size})
    return done


def _upload(
    gc: GirderClient, upload: Record, stream: Any, size: int, update: Callable[[int], object]
) -> Record:
    details = upload["s3"]
    if not details.get("chunked"):
        _send(gc, details["request"], Source(stream).part(0, size, update))
    else:
        _send_parts(gc, upload, stream, size, update)
    answer = gc.post("file/completion", parameters={"uploadId": upload["_id"]})
    return checked(answer, _SENT)


def _send_parts(
    gc: GirderClient, upload: Record, stream: Any, size: int, update: Callable[[int], object]
) -> None:
    details = upload["s3"]
    length = int(details["chunkLength"])
    found = _UPLOAD.search(_send(gc, details["request"], b"").text)
    if found is None:
        raise requests.ConnectionError("the store does not say what the upload is called")
    source = Source(stream)
    path = source.path()

    def part(number: int, offset: int) -> None:
        most = min(length, size - offset)
        told = {"s3UploadId": found[1], "partNumber": number, "contentLength": most}
        where = {"uploadId": upload["_id"], "offset": 0, "chunk": json.dumps(told)}
        request = gc.post("file/chunk", parameters=where)["s3"]["request"]
        if path is None:
            _send(gc, request, source.part(offset, most, update))
            return
        with open(path, "rb") as own:
            _send(gc, request, Source(own).part(offset, most, update))

    with Team(gc, workers(gc) if path is not None else 1) as team:
        for number, offset in enumerate(range(0, size, length), 1):
            team.do(partial(part, number, offset))


def _send(gc: GirderClient, request: Record, body: Any) -> requests.Response:
    """Send a request to the store, with its headers alone."""
    check()
    session = _rest.Session()
    session.verify = getattr(gc, "sslVerify", True)
    method = str(request["method"])

    def once() -> requests.Response:
        if hasattr(body, "seek"):
            body.seek(0)
        sent = body if not hasattr(body, "__len__") or len(body) else b""
        return session.request(method, request["url"], data=sent, headers=request.get("headers"))

    with session, _rest.limited():
        # What a URL that is signed for one object says may be said twice.
        answer = _rest.sent(once, "PUT")
        if answer.status_code >= 400:
            url = _rest.without_secrets(request["url"].partition("?")[0])
            raise HttpError(answer.status_code, answer.text, url, method, answer)
        return answer
