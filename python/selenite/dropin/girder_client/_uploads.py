"""Content of one file on its way to the server."""

from __future__ import annotations

import json
import mimetypes
import os
import stat
import time
from typing import TYPE_CHECKING

import requests

from selenite import _rest, _settings

from . import _bodies
from ._errors import HttpError, IncorrectUploadLengthError
from ._reporting import _logger, _ProgressBytesIO, say
from ._together import pause, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from . import GirderClient

    Record = dict[str, Any]
    Callback = Callable[[dict[str, int]], object]

_MIB = 1 << 20
# What the server and S3 take at least, but for the last chunk.
_LEAST_CHUNK = 5 * _MIB
# Girder completes an upload to S3 with so many parts at most.
_MOST_PARTS = 1000
# Larger files are not sent in one request: of a broken one nobody learns how to go on.
LARGEST_WHOLE = 8 * _MIB
_BLOCK = _MIB
# For so long a server has to be at the same place after a chunk that broke off.
_SETTLING_SECONDS = 0.1
_BUSY = {429, 502, 503, 504}
_TOO_LARGE = {408, 413}


class Window:
    """A part of a file, in the form that ``requests`` streams from the disk."""

    def __init__(
        self,
        stream: Any,
        start: int,
        length: int,
        update: Callable[[int], object],
    ) -> None:
        """Take the file, the part of it, and what is told of each block."""
        self._stream = stream
        self._start = start
        self._length = length
        self._at = 0
        self._told = 0
        self._update = update

    def __len__(self) -> int:
        """Bytes in all."""
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Read it in blocks."""
        while block := self.read(_BLOCK):
            yield block

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        left = self._length - self._at
        self._stream.seek(self._start + self._at)
        block: bytes = self._stream.read(left if size is None or size < 0 else min(size, left))
        self._at += len(block)
        if self._at > self._told:
            self._update(self._at - self._told)
            self._told = self._at
        return block

    def tell(self) -> int:
        """Bytes that were read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on elsewhere."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = base + offset
        return self._at


class Source:
    """What is uploaded, of which parts can be asked for again until later ones are."""

    def __init__(self, stream: Any) -> None:
        """Take a file or anything else that can be read, as bytes or as text."""
        self._stream = stream
        self._base = _position(stream)
        # What may be asked for again. Copies of a chunk are dear.
        self._kept = b""
        self._kept_at = 0
        self._has_ended = False

    def part(self, offset: int, length: int, update: Callable[[int], object]) -> Any:
        """Give the content from ``offset`` on: so many bytes, or less at its end.

        Args:
            offset: Where it begins, not before what was asked for last.
            length: How much is wanted.
            update: Called with the length of each block that is read.
        """
        if self._base is not None:
            left = os.fstat(self._stream.fileno()).st_size - self._base - offset
            return Window(self._stream, self._base + offset, max(0, min(length, left)), update)
        kept = self._kept = self._kept[offset - self._kept_at :]
        self._kept_at = offset
        pieces, missing = [kept] if kept else [], length - len(kept)
        while missing > 0 and not self._has_ended:
            piece = self._stream.read(missing)
            self._has_ended = not piece
            if piece:
                pieces.append(piece.encode() if isinstance(piece, str) else bytes(piece))
                missing -= len(pieces[-1])
        self._kept = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return _ProgressBytesIO(self._kept[:length], reporter=_Updating(update))

    def path(self) -> str | None:
        """The path of a file that is read from its beginning, None for what else can be read."""
        name = getattr(self._stream, "name", None)
        if self._base != 0 or not isinstance(name, str):
            return None
        try:
            is_same = os.path.samestat(os.stat(name), os.fstat(self._stream.fileno()))
        except OSError:
            return None
        return name if is_same else None

    def finish(self, size: int) -> None:
        """Leave a file behind what was read of it."""
        if self._base is not None:
            self._stream.seek(self._base + size)


class _Updating:
    def __init__(self, update: Callable[[int], object]) -> None:
        self.update = update


def _position(stream: Any) -> int | None:
    """Where a file stands that can be read again; None for what is no such file."""
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode) or "b" not in stream.mode:
            return None
        return int(stream.tell())
    except (AttributeError, OSError, TypeError, ValueError):
        return None


def _size(part: Any) -> int:
    if isinstance(part, Window):
        return len(part)
    size: int = part.seek(0, os.SEEK_END)  # its buffer would be a copy
    part.seek(0)
    return size


class Counted:
    """Tells of progress, of what is sent again only once."""

    def __init__(self, update: Callable[[int], object]) -> None:
        """Take what is to be told."""
        self._update = update
        self._at = self._told = 0

    def begin(self, at: int) -> None:
        """Go on from here."""
        self._at = at

    def update(self, count: int) -> None:
        """Note what was read."""
        self.to(self._at + count)

    def to(self, at: int) -> None:
        """Note how far it is."""
        self._at = at
        more, self._told = max(0, at - self._told), max(at, self._told)
        self._update(more)


def checked(answer: Any, message: str) -> Record:
    """Make sure that an answer is a document.

    Args:
        answer: What the server sent.
        message: What is said if it is none.

    Raises:
        Exception: If it has no ``_id``.
    """
    if isinstance(answer, dict) and "_id" in answer:
        return answer
    raise Exception(f"{message}{json.dumps(answer)}")


STARTED = (
    "After creating an upload token for a new file, expected an object with an id. Got instead: "
)
REPLACED = (
    "After creating an upload token for replacing file contents, expected an object with an id. "
    "Got instead: "
)
_SENT = "After uploading a file chunk, did not receive object with _id. Got instead: "


def guessed(name: str) -> str | None:
    """Guess a media type by the name of a file."""
    return mimetypes.guess_type(name)[0]


def parameters(given: Record) -> Record:
    """What of these is something.

    Args:
        given: What the server may be told.
    """
    return {name: value for name, value in given.items() if value is not None}


def start(gc: GirderClient, size: int, given: Record) -> Record:
    """Ask for an upload of a new file.

    Args:
        gc: The client.
        size: Its size.
        given: What else the server is told of it; None for what it is not told.
    """
    return checked(gc.post("file", parameters=parameters({**given, "size": size})), STARTED)


def is_single(upload: Record) -> bool:
    """Say whether the store of an upload takes it as a whole only."""
    details = upload.get("s3")
    return upload.get("behavior") == "s3" and not (details or {}).get("chunked")


def chunk_size(gc: GirderClient, upload: Record, size: int) -> int:
    """How much is sent at once.

    Args:
        gc: The client.
        upload: The upload, as the server describes it.
        size: Size of the file.
    """
    if is_single(upload):
        return max(1, size)
    if upload.get("behavior") == "s3":
        least = -(-size // _MOST_PARTS // _MIB) * _MIB
        return max(int(gc.MAX_CHUNK_SIZE), _LEAST_CHUNK, least)
    return max(1, int(gc.MAX_CHUNK_SIZE))


def upload_contents(
    gc: GirderClient,
    upload: Record,
    stream: Any,
    size: int,
    callback: Callback | None,
) -> Record:
    """Send content in chunks, and go on where the server is after a failure.

    Args:
        gc: The client.
        upload: The upload, as the server describes it.
        stream: What is read.
        size: How much the server expects.
        callback: Called after each chunk.

    Returns:
        The document of the file.

    Raises:
        IncorrectUploadLengthError: If the stream holds less.
    """
    if size == 0:
        return upload
    with reporting(gc, str(upload.get("name") or ""), size) as reporter:
        source = Source(stream)
        transfer = _Transfer(gc, upload, source, size, callback, Counted(reporter.update))
        result = transfer.run_or_cancel()
        source.finish(size)
        return result


class _Transfer:
    """The chunks of one upload."""

    def __init__(
        self,
        gc: GirderClient,
        upload: Record,
        source: Source,
        size: int,
        callback: Callback | None,
        counted: Counted,
    ) -> None:
        self._gc = gc
        self._upload = self._last = upload
        self._source = source
        self._size = size
        self._callback = callback
        self._counted = counted
        self._chunk = chunk_size(gc, upload, size)
        self._offset = int(upload.get("received") or 0)
        self._failures = 0
        self._token = gc.token
        self._is_again = False

    def run_or_cancel(self) -> Record:
        """Send everything, or leave nothing half-written on the server."""
        try:
            done = self._run()
        except BaseException:
            if self._offset < self._size or "received" in self._last:
                cancel(self._gc, self._upload)
            raise
        return done if self._is_right(done) else self._replaced(done)

    def _is_right(self, done: Record) -> bool:
        """Compare the server's digest of a file, if it has one, with that of the local one."""
        digest, path = done.get("sha512"), self._source.path()
        if not isinstance(digest, str) or path is None or self._size <= LARGEST_WHOLE:
            return True
        return self._gc.sha512_hasher(path) == digest.lower()

    def _replaced(self, done: Record) -> Record:
        """Send everything once more: after a connection that broke, Girder digests wrongly."""
        if self._is_again:
            message = f"the server has another digest of {done.get('name')!r}, twice"
            raise requests.ConnectionError(message)
        _logger.warning("%r is sent again: its digest on the server is wrong", done.get("name"))
        answer = self._gc.put(f"file/{done['_id']}/contents", parameters={"size": self._size})
        upload = checked(answer, REPLACED)
        again = _Transfer(
            *(self._gc, upload, self._source, self._size, self._callback, self._counted)
        )
        again._is_again = True
        return again.run_or_cancel()

    def _run(self) -> Record:
        path = self._source.path() if self._size > LARGEST_WHOLE else None
        if path is not None and _bodies.may_use_core(self._gc):
            return self._run_by_core(path)
        while self._offset < self._size:
            self._counted.begin(self._offset)
            length = min(self._chunk, self._size - self._offset)
            part = self._source.part(self._offset, length, self._counted.update)
            count = _size(part)
            if not count:
                break
            is_short = count < length
            try:
                self._send(part, count)
            except HttpError as error:
                if error.status == 400 and is_short:
                    # The server has words of its own for a chunk that is too small.
                    raise self._too_short(self._offset + count) from error
                self._recover(error)
            except requests.RequestException as error:
                self._recover(error)
            # Two chunks need not be in memory at once.
            del part
            if is_short and self._failures == 0:
                break
        if self._offset != self._size:
            raise self._too_short(self._offset)
        return self._last

    def _run_by_core(self, path: str) -> Record:
        """Let the core send the chunks of a file."""
        if os.path.getsize(path) < self._size:
            raise self._too_short(os.path.getsize(path))
        least = self._size if is_single(self._upload) else min(_LEAST_CHUNK, self._chunk)
        sizes = (self._size, self._chunk, least)
        told = self._offset

        def update(done: int) -> None:
            nonlocal told
            self._counted.to(done)
            while self._callback is not None and told + self._chunk <= min(done, self._size - 1):
                told += self._chunk
                self._callback({"current": told, "total": self._size})

        try:
            answer = _bodies.upload(
                self._gc, self._upload["_id"], path, self._offset, sizes, update
            )
        except HttpError as error:
            raise _explained(error, self._chunk) if error.status in _TOO_LARGE else error from None
        self._offset = self._size
        if answer is None:
            answer = self._finished()
            if answer is None:
                message = "the server has neither the file nor an upload of it"
                raise requests.ConnectionError(message)
        self._last = checked(answer, _SENT)
        self._counted.to(self._size)
        if self._callback is not None:
            self._callback({"current": self._size, "total": self._size})
        return self._last

    def _send(self, part: Any, count: int) -> None:
        where = {"offset": self._offset, "uploadId": self._upload["_id"]}
        self._token = self._gc.token
        answer = self._gc.post("file/chunk", parameters=where, data=part)
        self._last = checked(answer, _SENT)
        self._offset += count
        self._failures = 0
        if self._callback is not None:
            self._callback({"current": self._offset, "total": self._size})

    def _too_short(self, offset: int) -> IncorrectUploadLengthError:
        message = f"Expected upload to be {self._size} bytes, but received {offset}."
        return IncorrectUploadLengthError(message, upload=self._last)

    def _recover(self, error: requests.RequestException) -> None:
        """Wait, and find out where the server is; or raise the error if that is of no use."""
        wait = 0.0
        if isinstance(error, HttpError) and error.status == 401:
            self._failures += 1
            # A server may refuse whatever token it gives.
            if self._failures > _settings.retries() + 1 or not self._gc._renew(self._token):
                raise error
            self._ask(error)
            return
        if isinstance(error, HttpError):
            if error.status in _TOO_LARGE and self.halve():
                self._ask(error)
                return
            if error.status in _TOO_LARGE:
                raise _explained(error, self._chunk) from error
            if error.status not in _BUSY:
                raise error
            wait = (error.response is not None and _rest.retry_after(error.response)) or 0.0
            if wait > _rest.LONGEST_RETRY_AFTER:
                raise error
        elif not _rest.is_broken(error) and not _rest.was_not_sent(error):
            raise error
        before = self._offset
        while True:
            self._failures += 1
            if self._failures > _settings.retries():
                raise error
            pause(max(_rest.pause_after(self._failures), wait))
            try:
                self._ask(error)
            except requests.RequestException as failure:
                if isinstance(failure, HttpError) and failure.status not in _BUSY:
                    raise error from failure
                continue
            if self._offset > before:
                self._failures = 0
            return

    def halve(self) -> bool:
        """Send less at once from now on, if the store takes that."""
        length = min(self._chunk, self._size)
        if is_single(self._upload) or length <= _LEAST_CHUNK:
            return False
        self._chunk = max(_LEAST_CHUNK, length // 2)
        return True

    def _ask(self, error: Exception) -> None:
        """Go on where the server says that it is."""
        where = {"uploadId": self._upload["_id"]}
        try:
            answer = self._gc.get("file/offset", parameters=where)
        except HttpError as refusal:
            if refusal.status != 400:
                raise
            if "direct-to-S3" in refusal.responseText:
                self._offset = 0
                return
            # An upload that is finished is none any more.
            found = self._finished()
            if found is None:
                raise error from refusal
            self._last, self._offset = found, self._size
            return
        offset = _offset_of(answer)
        # What is sent before the server is done with what had come would be mixed with it.
        while True:
            pause(_SETTLING_SECONDS)
            before, offset = offset, _offset_of(self._gc.get("file/offset", parameters=where))
            if before == offset:
                break
        if not 0 <= offset <= self._size:
            raise error
        self._offset = offset

    def _finished(self) -> Record | None:
        """The file that the upload has become, if its last answer was lost."""
        file = self._upload.get("fileId")
        if file is not None:
            found: Record = self._gc.getFile(file)
            is_new = str(found.get("created", "")) >= str(self._upload.get("created", ""))
            return found if is_new and found.get("size") == self._size else None
        return newest(self._gc, self._upload, self._size)


def _offset_of(answer: Any) -> int:
    return int((answer or {}).get("offset") or 0)


def newest(gc: GirderClient, upload: Record, size: int) -> Record | None:
    """The file of this size that an upload may have become.

    Args:
        gc: The client.
        upload: What was asked for: parent, name, and when if that is known.
        size: Its size.
    """
    parent, name = str(upload["parentId"]), str(upload["name"])
    items = [parent]
    if upload["parentType"] == "folder":
        items = [one["_id"] for one in gc.listItem(parent, name=name)]
    files = [
        file
        for item in items
        for file in gc.listFile(item)
        if file.get("name") == name
        and file.get("size") == size
        and str(file.get("created", "")) >= str(upload.get("created", ""))
    ]
    return max(files, key=lambda file: str(file.get("created", "")), default=None)


def cancel(gc: GirderClient, upload: Record) -> None:
    """Let the server forget an upload.

    Args:
        gc: The client.
        upload: The upload.
    """
    try:
        gc.delete(f"file/upload/{upload['_id']}")
    except Exception as error:
        # Why the upload ended matters more.
        _logger.debug("an upload stays on the server: %s", type(error).__name__)


def _server_time(gc: GirderClient) -> str | None:
    """What the server's clock says now, as documents have it; None if that is not known."""
    if gc._date is None:
        return None
    from datetime import timedelta
    from email.utils import parsedate_to_datetime

    said, when = gc._date
    try:
        passed = timedelta(seconds=time.monotonic() - when - 1)
        return (parsedate_to_datetime(said) + passed).isoformat()
    except ValueError:
        return None


def _explained(error: HttpError, length: int) -> HttpError:
    """Say what can be done where a server takes no large requests."""
    hint = (
        f"{error.responseText}\n(the server, or a proxy before it, takes no request of {length} "
        "bytes in time: a smaller MAX_CHUNK_SIZE, or `client_max_body_size` of nginx, may help)"
    )
    return HttpError(error.status, hint, error.url, error.method, error.response)


def upload_whole(gc: GirderClient, stream: Any, size: int, given: Record) -> Record:
    """Send a new file in one request.

    Args:
        gc: The client.
        stream: What is read.
        size: How much of it.
        given: What the server is told of the file; None for what it is not told.

    Returns:
        The document of the file.

    Raises:
        IncorrectUploadLengthError: If the stream holds less. Nothing is sent then.
    """
    asked = parameters({**given, "size": size})
    with reporting(gc, str(given["name"]), size) as reporter:
        source, counted = Source(stream), Counted(reporter.update)
        # Told of afterwards: what interrupts a request leaves something that nobody can cancel.
        part = source.part(0, size, lambda _: None)
        if _size(part) != size:
            message = f"Expected upload to be {size} bytes, but received {_size(part)}."
            raise IncorrectUploadLengthError(message)
        began, token = _server_time(gc), gc.token
        try:
            answer = checked(gc.post("file", parameters=asked, data=part if size else b""), STARTED)
        except requests.RequestException as error:
            found = _whole_again(gc, error, token, size, {**given, "created": began})
            if found is not None:
                return found
            is_too_large = isinstance(error, HttpError) and error.status in _TOO_LARGE
            answer = start(gc, size, given)
        else:
            is_too_large = False
        if "received" not in answer:
            counted.to(size)
        if size and "received" in answer:
            transfer = _Transfer(gc, answer, source, size, None, counted)
            if is_too_large:
                transfer.halve()
            answer = transfer.run_or_cancel()
        source.finish(size)
        return answer


def _whole_again(
    gc: GirderClient, error: requests.RequestException, token: str, size: int, given: Record
) -> Record | None:
    """Give what a broken request has come to; None if the file is to be sent in chunks."""
    if isinstance(error, HttpError):
        is_passing = error.status in _BUSY | _TOO_LARGE and size
        if not is_passing and not (error.status == 401 and gc._renew(token)):
            raise error
        return None
    if _rest.was_not_sent(error) or not _rest.is_broken(error):
        raise error
    pause(_rest.pause_after(1))
    # An answer may be all that was lost.
    return None if given["created"] is None else newest(gc, given, size)


def is_current(gc: GirderClient, item: str, name: str, path: str) -> tuple[str | None, bool]:
    """Find a file of an item by its name, and say whether its content is that of a local file.

    Contents are compared by their SHA-512 digests if the server has one, else by their sizes.

    Args:
        gc: The client.
        item: Id of the item.
        name: Name of the file.
        path: The local file.

    Returns:
        The id of the file, None if there is none, and whether it is current.
    """
    for file in gc.listFile(item):
        if file["name"] == name:
            is_same = os.path.getsize(path) == file.get("size")
            digest = file.get("sha512")
            if is_same and isinstance(digest, str) and digest:
                is_same = gc.sha512_hasher(path) == digest.lower()
            return file["_id"], is_same
    return None, False


def upload_to_item(
    gc: GirderClient,
    item: str,
    path: str,
    name: str,
    reference: str | None,
    kind: str | None,
    callback: Callback | None,
) -> Record | None:
    """Upload a file into an item, unless it is there.

    Args:
        gc: The client.
        item: Id of the item.
        path: The local file.
        name: Its name there.
        reference: What the server tells its plugins.
        kind: Its media type, None to guess it.
        callback: Called after each chunk.
    """
    file, is_there = gc.isFileCurrent(item, name, path)
    if file is not None and is_there:
        say(gc, f"File {name} already exists in parent Item")
        return None
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        if file is not None:
            say(gc, f"File {name} exists in item, but with stale contents")
            done: Record = gc.uploadFileContents(file, stream, size, reference)
            return done
        kind = guessed(path) if kind is None else kind
        done = gc.uploadFile(item, stream, name, size, "item", callback, reference, kind)
        return done
