"""Content of artifacts on its way to the service and back: in pieces, and verified."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import sys
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import requests

from selenite import _rest, _settings
from selenite._progress import tracking

from . import _calls, _login, _sources
from ._errors import TupliStorageError, error_with
from ._files import placed, target_of
from .schema import ArtifactMetadataItem, FilterEQ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

    from .schema import ArtifactMetadata
    from .storage import TupliAPIClient

    _Told = Callable[..., None] | None

PACKAGE = "pytupli/1.2.9"
# Of less, sending it again takes no longer than asking: to list artifacts, the service reads all.
_LARGE = 8 << 20
# After each download the service drops the connection without a word.
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close"}
# So much memory is taken because a server says that so much will come.
_MOST_AT_ONCE = 1 << 30
_CONTENT_HASH = re.compile(r"[0-9a-f]{64}")


class _Stored(Exception):  # noqa: N818 -- nobody outside sees it
    """What is sent again is there already."""

    def __init__(self, item: ArtifactMetadataItem) -> None:
        super().__init__()
        self.item = item


class _Body:
    """A form with an artifact, which is sent piece by piece."""

    def __init__(self, source: _sources.Source, metadata: str, update: _Told) -> None:
        mark = secrets.token_hex(16)
        self.kind = f"multipart/form-data; boundary={mark}"
        self._head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="data"; filename="data"\r\n\r\n'
        ).encode()
        self._tail = f"\r\n--{mark}--\r\n".encode()
        self.source = source
        self._update = update
        self._digest: Any = None
        # By the core: whose hash it is, and the hash.
        self._hash: tuple[str | None, str | None] = (None, None)

    def __len__(self) -> int:
        return len(self._head) + self.source.size + len(self._tail)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """Begin anew, each time."""
        self._digest, digest = None, hashlib.sha256()
        done, size = 0, self.source.size
        yield self._head
        for block in self.source.blocks():
            digest.update(block)
            yield block
            done += len(block)
            if self._update is not None:
                self._update(done, size, 0, 1)
        self._digest = digest
        yield self._tail

    def hash_for(self, user: str) -> str | None:
        """The hash of a user's item, None if not all was read."""
        if self._digest is None:
            return self._hash[1] if self._hash[0] == user else None
        digest = self._digest.copy()
        digest.update(user.encode())
        return str(digest.hexdigest())

    def send(
        self, url: str, *, auth: _calls.Bearer, headers: dict[str, str], timeout: Any, **_: Any
    ) -> requests.Response:
        """Send it by the core."""
        user = auth.user()
        self._hash = (user, None)
        try:
            response, digest = _rest.send_content(
                *("POST", url, auth.headers(headers), self.source.native),
                (self._head, self._tail),
                package=PACKAGE,
                idle=_idle(timeout),
                suffix=(user or "").encode(),
                progress=self._update,
            )
        except requests.RequestException as error:
            self._hash = (user, getattr(error, "digest", None))
            raise
        self._hash = (user, digest)
        self.source.pass_over()
        return response


def _idle(timeout: Any) -> float | None:
    """For how long nothing may come."""
    found: float | None = timeout[1] if isinstance(timeout, tuple) else timeout
    return found


def _may_use_core(client: TupliAPIClient) -> bool:
    """Say whether the core may move contents, as nobody would miss a request."""
    storage = sys.modules[f"{__package__}.storage"]

    name = "_authenticated_request"
    is_own = name not in vars(client) and _rest.is_own(getattr(type(client), name), storage)
    # Of two limits, the core takes that of silence from a client.
    return is_own and not isinstance(client.timeout, tuple) and not _rest.is_replaced()


@contextmanager
def _telling(task: str, name: str) -> Iterator[Callable[..., None]]:
    """What is told of progress, and fails once nobody wants the rest."""
    with tracking(task, name) as told:

        def tell(*counts: int) -> None:
            _rest.check()
            if told is not None:
                told(*counts)

        yield tell


def store(
    client: TupliAPIClient, artifact: Any, metadata: ArtifactMetadata
) -> ArtifactMetadataItem:
    """Send an artifact.

    Args:
        client: The client.
        artifact: Bytes, a view of them, text, a path or a file.
        metadata: What is said of it.

    Raises:
        TupliStorageError: If it was not stored, or as somebody else's.
    """
    try:
        with _sources.opened(artifact) as source, _telling("store_artifact", metadata.name) as told:
            body = _Body(source, metadata.model_dump_json(serialize_as_any=True), told)
            return _send(client, body, source.size)
    except _Stored as found:
        return found.item
    except UnicodeEncodeError as error:
        message = f"Request failed: {error}"
        raise TupliStorageError(message) from error


def _send(client: TupliAPIClient, body: _Body, size: int) -> ArtifactMetadataItem:
    def user() -> str | None:
        token = _login.access()
        return None if token is None else _login.user(token)

    def ask() -> None:
        """Look whether only the answer was lost."""
        name = user()
        value = None if name is None else body.hash_for(name)
        if size >= _LARGE and value is not None:
            for item in client.list_artifacts(FilterEQ(key="hash", value=value)):
                if item.hash == value and item.created_by == name:
                    raise _Stored(item)

    is_native = body.source.native is not None and _may_use_core(client)
    response = _calls.authenticated(
        *(client, "POST", f"{client.base_url}/artifacts/upload", size),
        data=body,
        headers={"Content-Type": body.kind},
        before=ask,
        is_harmless=True,
        function=body.send if is_native else None,
    )
    item: ArtifactMetadataItem = parsed(ArtifactMetadataItem, response)
    name = user()
    # The service joins content and name before it hashes them: others' may give the same.
    if name is not None and (item.created_by, item.hash) != (name, body.hash_for(name)):
        message = (
            f"API request failed: the service answered with the item {item.id} of "
            f"{item.created_by}, which is not that of this content"
        )
        raise error_with(TupliStorageError, message, response.status_code, url=response.url)
    return item


def parsed(kind: Any, response: requests.Response) -> Any:
    """Make models of an answer.

    Args:
        kind: What it holds.
        response: The answer.

    Raises:
        TupliStorageError: If it holds something else.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"Request failed: the answer is not what it should be: {place} {first['msg']}"
        url = _rest.without_secrets(str(response.url))
        raise error_with(TupliStorageError, message, response.status_code, url=url) from error


def load(client: TupliAPIClient, uri: str) -> bytes:
    """Fetch an artifact into memory.

    Args:
        client: The client.
        uri: Its id.

    Raises:
        TupliStorageError: If it cannot be fetched, or comes other than it was stored.
    """

    def plain(told: _Told) -> bytes:
        # Its value takes over the memory that it was written to, without a copy.
        buffer = io.BytesIO()
        _Download(client, uri, buffer, told).run()
        return buffer.getvalue()

    return _fetched(client, uri, None, plain)


def download(client: TupliAPIClient, uri: str, path: str | os.PathLike[str]) -> None:
    """Fetch an artifact into a file, which has its name when it is whole.

    Args:
        client: The client.
        uri: Its id.
        path: The file.

    Raises:
        TupliStorageError: If it cannot be fetched, or comes other than it was stored.
        OSError: If it cannot be written.
    """

    def plain(told: _Told) -> bytes:
        with placed(os.fspath(path), replaces=True) as file:
            _Download(client, uri, file, told).run()
        return b""

    _fetched(client, uri, target_of(os.fspath(path)), plain)


class _Different(Exception):  # noqa: N818 -- nobody outside sees it
    """Content of another hash than its item has."""


class _Unwritten(Exception):  # noqa: N818 -- nobody outside sees it
    """A file that cannot be written, which is no failure of the service."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


def _fetched(
    client: TupliAPIClient, uri: str, target: str | None, plain: Callable[[_Told], bytes]
) -> bytes:
    """Fetch into a file, or give what comes; anew if that is not what was stored."""
    with _telling("load_artifact", uri) as told:
        for is_last in (False, True):
            try:
                found = _by_core(client, uri, target, told) if _may_use_core(client) else None
                return plain(told) if found is None else found
            except _Unwritten as unwritten:
                raise unwritten.error from None
            except _Different:
                if is_last:
                    message = f"Request failed: the content of artifact {uri} has another hash"
                    raise TupliStorageError(message) from None
    raise AssertionError


def _by_core(client: TupliAPIClient, uri: str, target: str | None, told: _Told) -> bytes | None:
    """Fetch by the core; None if it cannot, as the content comes in a coding."""
    from selenite import _core
    from selenite import _exceptions as core

    url = f"{client.base_url}/artifacts/download"
    content: bytes | None = None

    def get(
        url: str, *, auth: _calls.Bearer, headers: dict[str, str], timeout: Any, **given: Any
    ) -> requests.Response:
        nonlocal content
        address = str(requests.Request("GET", url, params=given["params"]).prepare().url)
        asker = (PACKAGE, _idle(timeout), _calls.retries(client))
        request = (address, list(auth.headers(headers).items()))
        try:
            with _rest.in_requests():
                content = _core.fetch_item(*request, target, uri, asker, told)
        except core.StatusError as error:
            return _rest.refusal(error)
        except core.DigestError:
            raise _Different from None
        except requests.RequestException:
            raise
        except OSError as error:
            raise _Unwritten(error) from error
        return _rest.answer(200, [], b"", ("GET", address))

    try:
        # The core tries again by itself.
        _calls.authenticated(
            *(client, "GET", url),
            params={"artifact_id": uri},
            headers=dict(_HEADERS),
            function=get,
            most=0,
        )
    except TupliStorageError as error:
        raise _explained(error, uri) from error.__cause__
    return content


class _Download:
    """The tries of one artifact."""

    def __init__(
        self,
        client: TupliAPIClient,
        uri: str,
        target: BinaryIO,
        update: _Told,
    ) -> None:
        self._client = client
        self._uri = uri
        self._target = target
        self._update = update
        self._url = f"{client.base_url}/artifacts/download"
        self._received = 0
        self._digest = hashlib.sha256()
        self._size: int | None = None
        self._item: dict[str, Any] = {}

    def run(self) -> None:
        failures = 0
        while True:
            before = self._received
            try:
                with closing(self._ask()) as response, _rest.limited():
                    self._read(response)
                break
            except requests.RequestException as error:
                failures = 1 if self._received > before else failures + 1
                if failures > _calls.retries(self._client) or not _rest.is_broken(error):
                    raise _calls.failure("Request failed", error, self._url) from error
                time.sleep(_rest.pause_after(failures))
        self._check()

    def _ask(self) -> requests.Response:
        headers = dict(_HEADERS)
        if self._received:
            headers["Range"] = f"bytes={self._received}-"
        try:
            response = self._client._authenticated_request(
                *("GET", self._url),
                params={"artifact_id": self._uri},
                headers=headers,
                stream=True,
            )
        except TupliStorageError as error:
            if self._received and error.status_code == 416:
                self._received = 0
                return self._ask()
            raise _explained(error, self._uri) from error.__cause__
        item = _item(response)
        start = f"bytes {self._received}-"
        is_rest = response.status_code == 206 and response.headers.get(
            "Content-Range", ""
        ).startswith(start)
        if self._received and not (is_rest and item.get("hash") == self._item.get("hash")):
            if is_rest:
                # Somebody has replaced it meanwhile.
                response.close()
                self._received = 0
                return self._ask()
            self._received = 0
        if not self._received:
            self._begin(response, item)
        return response

    def _begin(self, response: requests.Response, item: dict[str, Any]) -> None:
        self._item = item
        length = response.headers.get("Content-Length", "")
        self._size = int(length) if length.isascii() and length.isdigit() else None
        self._digest = hashlib.sha256()
        self._target.seek(0)
        self._target.truncate()
        if self._size and isinstance(self._target, io.BytesIO):
            # Much of the memory at once; what grows is copied again and again.
            self._target.seek(min(self._size, _MOST_AT_ONCE) - 1)
            self._target.write(b"\0")
            self._target.seek(0)

    def _read(self, response: requests.Response) -> None:
        is_coded = bool(response.headers.get("Content-Encoding"))
        self._target.seek(self._received)
        for block in response.iter_content(_sources.BLOCK):
            self._target.write(block)
            self._digest.update(block)
            self._received += len(block)
            if self._update is not None:
                self._update(self._received, self._size or 0, 0, 1)
        if self._size is not None and self._received < self._size and not is_coded:
            message = f"the connection broke after {self._received} of {self._size} bytes"
            raise requests.exceptions.ChunkedEncodingError(message)
        self._target.truncate()

    def _check(self) -> None:
        expected, user = self._item.get("hash"), self._item.get("created_by")
        if not isinstance(expected, str) or not isinstance(user, str):
            return
        self._digest.update(user.encode())
        if self._digest.hexdigest() != expected:
            raise _Different


def _item(response: requests.Response) -> dict[str, Any]:
    """What an answer says of its artifact; nothing if that cannot be read."""
    try:
        item = json.loads(response.headers.get("X-Metadata", ""))
    except ValueError:
        return {}
    return item if isinstance(item, dict) else {}


def _explained(error: TupliStorageError, uri: str) -> TupliStorageError:
    """Say more of a failed download, where more is known."""
    if error.status_code == 404:
        return explained(error, uri)
    if error.status_code == 500:
        why = (
            "the service cannot send artifacts whose metadata hold characters beyond latin-1, "
            "which may be the cause"
        )
        return _with(error, why)
    return error


def explained(error: TupliStorageError, uri: object) -> TupliStorageError:
    """Say of what was not found if it looks like a hash.

    Args:
        error: What the service answered.
        uri: What was given as the id.
    """
    if error.status_code == 404 and is_hash(uri):
        return _with(error, "this is a content hash; pass the item's id")
    return error


def is_hash(uri: object) -> bool:
    """Say whether an id looks like a hash of some content."""
    return isinstance(uri, str) and _CONTENT_HASH.fullmatch(uri) is not None


def _with(error: TupliStorageError, why: str) -> TupliStorageError:
    facts = (error.status_code, error.detail, error.url)
    return error_with(type(error), f"{error}: {why}", *facts)


def together(
    function: Callable[[Any], Any], given: Iterable[Any], workers: int | None
) -> list[Any]:
    """Call a function for many things, several at a time.

    Args:
        function: What is called.
        given: What it is called with.
        workers: How many at a time, by default as ``SELENITE_JOBS`` says, or 8.

    Returns:
        What it returned, in order.
    """
    most = _settings.jobs(8) if workers is None else max(1, workers)
    return _rest.side_by_side(function, given, most, "tupli-transfer")
