"""Content of one file on its way from the server."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

import requests

from selenite import _placing, _rest, _settings

from . import _bodies
from ._errors import ChecksumError, HttpError, IncompleteResponseError
from ._reporting import _logger, say
from ._together import pause, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from . import GirderClient

    Record = dict[str, Any]

BLOCK = 65536
# Of smaller files, waiting for the disk would take longer than all the rest.
_DURABLE = 1 << 20
_BUSY = {403, 429, 502, 503, 504}


def download_file(
    gc: GirderClient,
    file: str,
    path: Any,
    created: str | None,
    document: Record | None = None,
    skip: str | None = None,
) -> None:
    """Download a file to a path, or into an open file.

    Args:
        gc: The client.
        file: Id of the file.
        path: Where to.
        created: When the file was made, if the caller knows.
        document: What the server says about the file, if that is known.
        skip: ``path``, ``size`` or ``hash`` to leave out what is there already.
    """
    document = gc.getFile(file) if document is None else document
    if isinstance(path, str | os.PathLike):
        path = os.fspath(path)
        if os.path.isdir(path):
            path = os.path.join(path, gc.transformFilename(document["name"]))
        if is_there(gc, document, path, skip):
            say(gc, f"Skipping file {path} [{skip}]")
            return
    key = "\n".join([gc.urlBase, file, created or str(document.get("created"))])
    if gc.cache is not None:
        kept = cached(gc, key, document)
        if kept is not None:
            with closing(kept):
                gc._copyFile(kept, path)
            return
    if isinstance(path, str):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if _by_core(gc, file, document, path):
            if gc.cache is not None:
                with open(path, "rb") as target:
                    _remember(gc, key, target)
            return
        with placed(path) as target:
            _receive(gc, file, document, target, os.path.basename(path))
            _remember(gc, key, target)
            target.seek(0, os.SEEK_END)
    else:
        with tempfile.TemporaryFile() as target:
            _receive(gc, file, document, target, file)
            _remember(gc, key, target)
            target.seek(0)
            gc._copyFile(target, path)


def _by_core(gc: GirderClient, file: str, document: Record, path: str) -> bool:
    """Let the core download a file, if it may and can."""
    if not _bodies.may_use_core(gc):
        return False
    label, length = os.path.basename(path), int(document.get("size") or 0)
    with reporting(gc, label, length) as reporter:
        return _bodies.download(gc, file, document, path, reporter.update)


def is_there(gc: GirderClient, document: Record, path: str, skip: str | None) -> bool:
    """Say whether a file need not be downloaded.

    Args:
        gc: The client.
        document: The file, as the server describes it.
        path: Where it would come to.
        skip: What is compared: ``path``, ``size`` or ``hash``; None if nothing is left out.

    Raises:
        ValueError: If ``skip`` is something else.
    """
    if skip is None:
        return False
    if skip not in {"path", "size", "hash"}:
        raise ValueError(f"invalid skip {skip!r}: expected 'path', 'size' or 'hash'")
    if not os.path.isfile(path):
        return False
    if skip == "path":
        return True
    if os.path.getsize(path) != document.get("size"):
        return False
    if skip == "size":
        return True
    digest = document.get("sha512")
    if not isinstance(digest, str) or not digest:
        return False
    return gc.sha512_hasher(path) == digest.lower()


def cached(gc: GirderClient, key: str, document: Record) -> BinaryIO | None:
    """Open what the cache holds of a file, if it is whole.

    Args:
        gc: The client.
        key: Its key there.
        document: The file, as the server describes it.
    """
    kept = gc.cache.get(key, read=True)
    if kept is None:
        return None
    size = kept.seek(0, os.SEEK_END)
    kept.seek(0)
    if "size" in document and size != document["size"]:
        kept.close()
        gc.cache.delete(key)
        return None
    found: BinaryIO = kept
    return found


def _remember(gc: GirderClient, key: str, content: BinaryIO) -> None:
    if gc.cache is not None:
        content.seek(0)
        gc.cache.set(key, content, read=True)


def placed(path: str) -> AbstractContextManager[BinaryIO]:
    """Write a file that gets its name when it is whole.

    Args:
        path: Where it comes to. A link there is replaced itself, what it leads to stays.

    Returns:
        The file, to be written and read.
    """
    return _placing.placed(path, sync_from=_DURABLE)


def _receive(gc: GirderClient, file: str, document: Record, target: BinaryIO, label: str) -> None:
    """Get the content of a file, and go on behind what has come when the connection breaks."""
    download = _Download(gc, file, document, target)
    length = int(document.get("size") or 0)
    response = download.ask()
    if "size" not in document:
        length = int(response.headers.get("Content-Length") or 0)
    with reporting(gc, label, length) as reporter:
        download.run(response, reporter)


class _Download:
    """The tries of one file."""

    def __init__(self, gc: GirderClient, file: str, document: Record, target: BinaryIO) -> None:
        self._gc = gc
        self._file = file
        self._document = document
        self._target = target
        self._digest = hashlib.sha512()
        self._received = self._told = 0
        self._failures = 0

    @property
    def _size(self) -> int | None:
        return self._document.get("size")

    def ask(self) -> requests.Response:
        """Ask for the file, or for what is missing of it."""
        if not self._received:
            self._restart()
            return self._gc._streamingFileDownload(self._file)
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={self._received}-"}
        path = f"file/{self._file}/download"
        response: requests.Response = self._gc.sendRestRequest(
            "get", path, headers=headers, stream=True, jsonResp=False
        )
        start = f"bytes {self._received}-"
        if response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(
            start
        ):
            self._restart()
        return response

    def _restart(self) -> None:
        self._received = 0
        self._digest = hashlib.sha512()
        self._target.seek(0)
        self._target.truncate()

    def run(self, response: requests.Response, reporter: Any) -> None:
        while True:
            try:
                with closing(response), _rest.limited():
                    self._read(response, reporter)
                break
            except requests.RequestException as error:
                response = self._again(error, response)
        self._check(response)

    def _read(self, response: requests.Response, reporter: Any) -> None:
        is_coded = bool(response.headers.get("Content-Encoding"))
        for block in response.iter_content(BLOCK):
            self._target.write(block)
            self._digest.update(block)
            self._received += len(block)
            if self._received > self._told:
                reporter.update(self._received - self._told)
                self._told = self._received
        stated = response.headers.get("Content-Length")
        if self._size is None and stated and not is_coded and self._received < int(stated):
            raise requests.exceptions.ChunkedEncodingError("the connection broke")
        if self._size is not None and self._received < self._size and not is_coded:
            raise IncompleteResponseError(
                f"File {self._file} download", self._size, self._received, response
            )

    def _again(
        self, error: requests.RequestException, response: requests.Response
    ) -> requests.Response:
        """Ask for the rest, or raise what stands in the way."""
        is_passing = _rest.is_broken(error) or isinstance(
            error, requests.exceptions.ReadTimeout | IncompleteResponseError
        )
        if not is_passing:
            raise error
        if response.headers.get("Content-Encoding"):
            self._received = 0
        before = self._received
        while True:
            self._failures += 1
            if self._failures > _settings.retries():
                raise self._incomplete(error, response) from error
            pause(_rest.pause_after(self._failures))
            try:
                if self._received and self._has_changed():
                    self._received = 0
                response = self.ask()
            except HttpError as failure:
                if failure.status not in _BUSY:
                    raise
                error = failure
                continue
            except requests.RequestException as failure:
                error = failure
                continue
            if self._received > before:
                self._failures = 0
            return response

    def _has_changed(self) -> bool:
        now = self._gc.getFile(self._file)
        same = all(now.get(name) == self._document.get(name) for name in ("created", "size"))
        if not same:
            self._document = now
        return not same

    def _incomplete(self, error: Exception, response: requests.Response) -> IncompleteResponseError:
        if isinstance(error, IncompleteResponseError):
            return error
        _logger.debug("a download ended: %s", type(error).__name__)
        return IncompleteResponseError(
            f"File {self._file} download", self._size, self._received, response
        )

    def _check(self, response: requests.Response) -> None:
        name = f"File {self._file} download"
        if self._size is not None and self._received != self._size:
            raise IncompleteResponseError(name, self._size, self._received, response)
        expected = self._document.get("sha512")
        if isinstance(expected, str) and expected and expected.lower() != self._digest.hexdigest():
            message = f"{name} has another SHA-512 digest than the server says"
            raise ChecksumError(message, self._size, self._received, response)


def copy(content: BinaryIO, path: Any) -> None:
    """Copy an open file to a path or into another one.

    Args:
        content: What is read.
        path: Where to.
    """
    if isinstance(path, str | os.PathLike):
        path = os.fspath(path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with placed(path) as target:
            shutil.copyfileobj(content, target, 1 << 20)
    else:
        shutil.copyfileobj(content, path, 1 << 20)


def pieces(response: requests.Response, size: int) -> Iterator[bytes]:
    """Go through the content of an answer, and let its connection go afterwards.

    Args:
        response: The answer.
        size: Bytes at a time.
    """
    with closing(response):
        yield from response.iter_content(size)
