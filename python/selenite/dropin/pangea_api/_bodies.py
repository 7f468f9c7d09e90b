"""Contents of files, on their way to a store and from there.

Nothing here says who asks: the URLs do that for themselves.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, urlsplit

import requests

from selenite import _placing, _rest, _settings
from selenite._translating import Translating

from .knex import error_of
from .remote_object import RemoteObjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .knex import Knex

    # URL and headers of a document that holds another URL, and the names that lead to it there.
    Renewal = tuple[str, list[tuple[str, str]], list[str]]

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

PACKAGE = "pangea_api/0.9.24"
_MIB = 1 << 20
# Of a download that breaks, so much is lost at most.
_BLOCK = 1 << 16
# S3 takes so many parts, and no smaller ones but for the last.
_MOST_PARTS = 10_000
_LEAST_PART = 5 * _MIB
# How often an upload begins anew because its URLs have expired, and a download goes on that broke.
_RENEWALS = 3
_MD5 = re.compile(r"[0-9a-f]{32}")
_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")


def remove(path: str) -> None:
    """Remove a file that may be gone.

    Args:
        path: The file.
    """
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def remove_temporary(path: str) -> None:
    """Remove a file with the folder that was made for it.

    Args:
        path: The file.
    """
    remove(path)
    # Somebody may have put something else there.
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))


def quoted(path: str) -> str:
    """Write a path of plain text so that it can be in a URL.

    Args:
        path: The path.
    """
    return quote(path, safe="/~!$&'()*,;=:@")


def sendable(url: str) -> str:
    """Write what cannot be in a URL as it must be, and leave the rest.

    Args:
        url: A URL, with blanks perhaps.

    Example:
        >>> sendable("https://host/a b%20c?d=%2F")
        'https://host/a%20b%20c?d=%2F'
    """
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~")


def _nobody(request: Any) -> Any:
    """Say of nobody that he asks: `requests` would look into a file of passwords."""
    return request


def _ask(knex: Knex, method: str, url: str, **given: Any) -> requests.Response:
    """Send a request to the store, once."""
    if _settings.is_offline():
        raise requests.ConnectionError("the network is switched off by SELENITE_OFFLINE")
    send = knex._bodies.function(None, method)
    response: requests.Response = send(url, auth=_nobody, **given)
    return response


def _code(response: requests.Response) -> str:
    found = _CODE.search(response.text)
    return found[1] if found else ""


def _refused(response: requests.Response, what: str = "") -> Exception:
    """The exception for an answer of the store, without what the URL is signed by."""
    status = response.status_code
    side = "Client" if status < 500 else "Server"
    url = str(response.url).partition("?")[0]
    text = f"{status} {side} Error: {response.reason} for url: {url}"
    said = [
        found[1] for found in (_CODE.search(response.text), _MESSAGE.search(response.text)) if found
    ]
    return error_of(response, ": ".join([text, *([what] if what else []), *said]))


def _is_passing(response: requests.Response) -> bool:
    status = response.status_code
    return (
        status >= 500
        or status in (408, 429)
        or (status == 400 and _code(response) in ("RequestTimeout", "BadDigest"))
    )


def part_size(size: int, wanted: int) -> tuple[int, int]:
    """Say how large parts are, and how many there are.

    Args:
        size: Bytes of the file.
        wanted: Bytes of a part, as the caller wants it.
    """
    if wanted < 1:
        raise ValueError("a part has one byte at least")
    wanted = max(wanted, -(-size // _MOST_PARTS))
    count = max(1, -(-size // wanted))
    if count > 1 and wanted < _LEAST_PART:
        logger.warning("S3 takes no parts of less than 5 MiB, but for the last one")
    return wanted, count


class _Expired(Exception):
    """The store does not accept a URL any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def put_parts(
    knex: Knex,
    ask: Callable[[], dict[str, Any]],
    path: str,
    size: int,
    part: int,
    count: int,
    tries: int,
    tell: Callable[[str], object],
) -> tuple[list[dict[str, Any]], str]:
    """Send all parts of a file.

    Args:
        knex: The server.
        ask: Begins an upload: gives its URLs and id.
        path: The file.
        size: Bytes of it.
        part: Bytes of a part.
        count: How many parts there are.
        tries: How often each is tried.
        tell: Is told of each, in this thread.

    Returns:
        The parts, and the id of the upload.

    Raises:
        RemoteObjectError: If the file is another one afterwards.
    """
    with open(path, "rb") as file:
        before = os.fstat(file.fileno())
        if before.st_size != size:
            raise RemoteObjectError(f"{path} has {before.st_size} bytes, not {size}")
        for renewed in range(_RENEWALS + 1):
            answer = ask()
            try:
                parts = _put_all(knex, answer["urls"], file, path, part, count, tries, tell)
            except _Expired as expired:
                # The parts of another upload are of no use to a new one.
                if renewed == _RENEWALS:
                    raise expired.error from None
                logger.debug("URLs of the upload have expired, it begins anew")
                continue
            break
        after = os.stat(path)
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    ):
        raise RemoteObjectError(f"{path} was changed while it was uploaded")
    return parts, str(answer["upload_id"])


def _put_all(
    knex: Knex,
    urls: list[str],
    file: BinaryIO,
    path: str,
    part: int,
    count: int,
    tries: int,
    tell: Callable[[str], object],
) -> list[dict[str, Any]]:
    if len(urls) != count:
        raise RemoteObjectError(f"the service gave {len(urls)} URLs for {count} parts")

    def told(index: int, failures: int) -> None:
        if failures:
            tell(f"[WARN] Upload for part {index + 1} failed. Attempt {failures}")
        else:
            tell(f'[INFO] Uploaded part {index + 1} of {count} for "{path}"')

    if _rest.is_replaced():
        tags = [_put(knex, url, file, index, part, tries, told) for index, url in enumerate(urls)]
    else:
        from selenite import _core

        size = os.fstat(file.fileno()).st_size
        most, asker = max(1, tries), (PACKAGE, None, None)
        with _translated():
            tags = _core.send_parts(path, (size, part), urls, most, asker, told)
    return [{"ETag": tag, "PartNumber": index + 1} for index, tag in enumerate(tags)]


class _translated(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Turn exceptions of the core into those of this package and of ``requests``."""

    def __init__(self, what: str = "") -> None:
        """Say what is downloaded, if anything is."""
        self._what = what

    def _translate(self, error: BaseException) -> Exception | None:
        from selenite import _exceptions as core

        if isinstance(error, core.StatusError):
            response = _rest.refusal(error)
            if self._what:
                return _not_there(response)
            refused = _refused(response)
            return _Expired(refused) if response.status_code == 403 else refused
        if isinstance(error, core.DigestError) and self._what:
            return RemoteObjectError(f"{self._what} has another MD5 digest than the store says")
        if isinstance(error, core.DigestError):
            return _other_tag(error.expected, error.actual)
        if isinstance(error, core.InvalidArgumentError) and error.argument == "file":
            return RemoteObjectError(f"{error.value} was changed while it was uploaded")
        return _rest.transport_error(error)


def _other_tag(tag: str, digest: str) -> RemoteObjectError:
    return RemoteObjectError(f"the store says {tag} of a part whose MD5 digest is {digest}")


def _not_there(response: requests.Response) -> Exception:
    """The exception for a download that is refused."""
    if response.status_code == 404 and _code(response) in ("", "NoSuchKey"):
        return _refused(response, "registered, but its upload never finished")
    return _refused(response)


class _Passing(Exception):
    """A part was not taken, and may be the next time."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _put(
    knex: Knex,
    url: str,
    file: BinaryIO,
    index: int,
    part: int,
    tries: int,
    told: Callable[[int, int], object],
) -> str:
    """Send a part by `requests`, and give its tag."""
    for failures in range(1, max(1, tries) + 1):
        try:
            tag = _put_once(knex, url, file, index * part, part)
        except _Passing as passing:
            told(index, failures)
            if failures >= tries:
                raise passing.error from None
            time.sleep(_rest.pause_after(failures + 2))
        else:
            told(index, 0)
            return tag
    raise AssertionError


def _put_once(knex: Knex, url: str, file: BinaryIO, start: int, length: int) -> str:
    content = os.pread(file.fileno(), length, start)
    while len(content) < length and (
        more := os.pread(file.fileno(), length - len(content), start + len(content))
    ):
        content += more
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with _rest.limited():
        try:
            # As a stream: the time limit then holds for each block, not for all of them.
            response = _ask(knex, "put", url, data=io.BytesIO(content) if content else b"")
        except (requests.ConnectionError, requests.Timeout) as error:
            raise _Passing(error) from error
    if response.status_code == 403:
        raise _Expired(_refused(response))
    if response.status_code >= 300:
        refused = _refused(response)
        raise _Passing(refused) if _is_passing(response) else refused
    tag = response.headers.get("ETag", "")
    plain = tag.strip('"').lower()
    if not tag or (_MD5.fullmatch(plain) and plain != digest and not _is_encrypted(response)):
        raise _Passing(_other_tag(tag or "nothing", digest))
    return str(tag)


def _is_encrypted(response: requests.Response) -> bool:
    """Say whether the tag of what is stored is no digest of it."""
    name = "x-amz-server-side-encryption"
    is_by_key = response.headers.get(name, "AES256") != "AES256"
    return is_by_key or f"{name}-customer-algorithm" in response.headers


def post_form(
    knex: Knex, answer: dict[str, Any], path: str, anew: Callable[[], dict[str, Any]]
) -> None:
    """Send a file in one request.

    Args:
        knex: The server.
        answer: Where to, and the fields of the form.
        path: The file.
        anew: Asks for another form.
    """
    failures = 0
    is_new = False
    while True:
        error: Exception
        with open(path, "rb") as file, _rest.limited():
            form = _Form(answer["fields"], os.path.basename(path), file)
            try:
                response = form.sent(knex, answer["url"], path)
            except (requests.ConnectionError, requests.Timeout) as broken:
                # The same again has the same effect, even if it had come.
                error = broken
            else:
                if response.status_code < 300:
                    return
                error = _refused(response)
                if response.status_code == 403 and not is_new:
                    is_new = True
                    answer = anew()
                    continue
                if not _is_passing(response):
                    raise error
        failures += 1
        if failures > _settings.retries():
            raise error
        time.sleep(_rest.pause_after(failures))


class _Form:
    """A form with a file at its end, which is read while it is sent."""

    def __init__(self, fields: dict[str, str], name: str, file: BinaryIO) -> None:
        """Take the fields, the name of the file, and the file."""
        edge = os.urandom(16).hex()
        self.media_type = f"multipart/form-data; boundary={edge}"
        head = "".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{_in_quotes(key)}"\r\n\r\n'
            f"{value}\r\n"
            for key, value in fields.items()
        )
        head += f'--{edge}\r\nContent-Disposition: form-data; name="file"; '
        head += f'filename="{_in_quotes(name)}"\r\n\r\n'
        self._frame = (head.encode(), f"\r\n--{edge}--\r\n".encode())
        self._size = os.fstat(file.fileno()).st_size
        self._parts: list[BinaryIO] = [
            io.BytesIO(self._frame[0]),
            file,
            io.BytesIO(self._frame[1]),
        ]
        self._length = len(self._frame[0]) + self._size + len(self._frame[1])

    def sent(self, knex: Knex, url: str, path: str) -> requests.Response:
        """Send it, once."""
        headers = {"Content-Type": self.media_type}
        if _rest.is_replaced():
            return _ask(knex, "post", url, data=self, headers=headers, allow_redirects=False)
        source = (path, 0, self._size)
        return _rest.send_content("POST", url, headers, source, self._frame, package=PACKAGE)[0]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Any:
        while block := self.read(_MIB):
            yield block

    def read(self, size: int = -1) -> bytes:
        while self._parts:
            block = self._parts[0].read(size)
            if block:
                return block
            del self._parts[0]
        return b""


def _in_quotes(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def stored_size(knex: Knex, url: str) -> int | None:
    """Ask the store how large a file is.

    Args:
        knex: The server.
        url: A URL that the file can be read by.

    Returns:
        Its size, None if the store does not say.
    """
    try:
        with _rest.limited():
            headers = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
            response = _ask(knex, "get", url, headers=headers, stream=True)
    except requests.RequestException as error:
        logger.debug("the size of what was stored is not known: %s", type(error).__name__)
        return None
    with response:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if response.status_code == 206 and total.isdecimal():
            return int(total)
        length = response.headers.get("Content-Length", "")
        return int(length) if response.status_code == 200 and length.isdecimal() else None


def download(
    knex: Knex,
    url: str,
    path: str,
    *,
    schemes: Collection[str],
    anew: Callable[[], str] | None,
    renewal: Renewal | None,
    has_etag: bool,
    digest: str | None,
    what: str,
) -> None:
    """Download a file: it has its name only when it is whole.

    Args:
        knex: The server.
        url: Where it is.
        path: Where it goes.
        schemes: How it may be reached.
        anew: Gives another URL if this one has expired.
        renewal: Where the core finds it.
        has_etag: Whether a plain tag of the store is its MD5 digest.
        digest: Its MD5 digest, if that is known.
        what: What it is, for messages.
    """
    if urlsplit(url).scheme.lower() not in schemes:
        raise ValueError(f"{what} cannot be reached by {urlsplit(url).scheme or 'a path'}")
    known = digest.lower() if digest and _MD5.fullmatch(digest.lower()) else None
    is_ftp = urlsplit(url).scheme.lower() == "ftp"
    if not is_ftp and not _rest.is_replaced():
        from selenite import _core

        asker = (PACKAGE, None, None)
        with _translated(what):
            is_whole = _core.fetch_stored(
                url, path, what, known, has_etag, renewal, asker, _rest.check
            )
        if not is_whole:
            raise RemoteObjectError(f"{what} was changed while it was downloaded")
        return
    with _placing.placed(path) as file:
        if is_ftp:
            _copy_ftp(url, file)
        else:
            tag = _Fetch(knex, url, file, anew, what).run()
            known = known or (tag if has_etag and tag else None)
        if known and _md5(file) != known:
            raise RemoteObjectError(f"{what} has another MD5 digest than the store says")


def _md5(file: io.BufferedRandom) -> str:
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _copy_ftp(url: str, file: BinaryIO) -> None:
    import shutil
    from urllib.request import urlopen

    with urlopen(url, timeout=_settings.timeout()) as source:
        shutil.copyfileobj(source, file, _MIB)


class _Fetch:
    """A download that goes on where it broke."""

    def __init__(
        self, knex: Knex, url: str, file: BinaryIO, anew: Callable[[], str] | None, what: str
    ) -> None:
        self._knex = knex
        self._url = url
        self._file = file
        self._anew = anew
        self._what = what
        self._tag = ""
        self._mark = ""
        self._total: int | None = None

    def run(self) -> str:
        """Fetch all of it, and give its tag if that is a digest."""
        failures = 0
        while True:
            before = self._file.tell()
            try:
                with _rest.limited():
                    if self._once():
                        return self._tag
                error: Exception = requests.exceptions.ChunkedEncodingError(
                    f"{self._what} ended after {self._file.tell()} of {self._total} bytes"
                )
            except requests.RequestException as broken:
                if isinstance(broken, requests.HTTPError) or not (
                    _rest.is_broken(broken)
                    or _rest.was_not_sent(broken)
                    or isinstance(broken, requests.Timeout)
                ):
                    raise
                error = broken
            except _Passing as passing:
                error = passing.error
            failures = 1 if self._file.tell() > before else failures + 1
            if failures > _RENEWALS:
                raise error
            time.sleep(_rest.pause_after(failures))

    def _once(self) -> bool:
        start = self._file.tell()
        headers = {"Accept-Encoding": "identity"}
        if start and not self._mark:
            # Nobody would see if the rest were one of another file.
            self._file.seek(0)
            self._file.truncate()
            start = 0
        if start:
            headers["Range"] = f"bytes={start}-"
        response = _ask(self._knex, "get", self._url, headers=headers, stream=True)
        with response:
            status = response.status_code
            if status == 403 and self._anew is not None:
                self._url, self._anew = self._anew(), None
                return self._once()
            if status == 416 and start and start == self._total:
                return True
            if status >= 300:
                error = _not_there(response)
                if status >= 500 or status in (408, 429):
                    raise _Passing(error)
                raise error
            tag = response.headers.get("ETag", "").strip('"').lower()
            mark = tag or response.headers.get("Last-Modified", "")
            if start and (status != 206 or mark != self._mark):
                # Another file, or a server that begins from the start.
                self._file.seek(0)
                self._file.truncate()
                start = 0
                if status == 206:
                    raise _Passing(_refused(response, "the file was changed"))
            self._mark = mark
            is_digest = _MD5.fullmatch(tag) and not _is_encrypted(response)
            self._tag = tag if is_digest else ""
            length = response.headers.get("Content-Length", "")
            self._total = start + int(length) if length.isdecimal() else None
            for block in _blocks(response):
                self._file.write(block)
                _rest.check()
        return self._total is None or self._file.tell() == self._total


def _blocks(response: requests.Response) -> Any:
    """What comes, as it comes: nothing is unpacked, so that length and digest can be compared."""
    if response.headers.get("Content-Encoding"):
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        try:
            yield from response.raw.stream(_BLOCK, decode_content=False)
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(str(error)) from error
        except HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(str(error)) from error
    else:
        yield from response.iter_content(_BLOCK)
