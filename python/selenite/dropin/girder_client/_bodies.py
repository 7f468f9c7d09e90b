"""When files may be moved in a way of our own, because nobody would miss a request.

The plain way is one after the other, each request through the client's own methods. It is taken
where somebody has replaced one of these methods or something of ``requests``, or has given the
client a session: whoever does that wants to see the requests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from selenite import _rest
from selenite._translating import Translating

from ._errors import ChecksumError, HttpError, IncompleteResponseError
from ._together import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from . import GirderClient

# What subclasses may do as they like: no request goes through it, or none of a file.
_FREE = {"__init__", "authenticate", "setToken", "session", "transformFilename"}
_ALWAYS = {"__class__", "__doc__", "__module__", "__weakref__", "__dict__"}
# The methods as they were defined, of each class of clients that is ours.
_own: dict[str, list[object]] = {}


def remember(kind: type) -> None:
    """Note the methods of a class of clients: a test may replace them later.

    Args:
        kind: The class.
    """
    for name in vars(kind):
        value = getattr(kind, name)
        if callable(value) and name not in _ALWAYS:
            _own.setdefault(name, []).append(value)


def own_method(gc: GirderClient, name: str) -> bool:
    """Say whether a method of a client is one of this package.

    Args:
        gc: The client.
        name: Name of the method.
    """
    found = getattr(type(gc), name, None)
    return name not in vars(gc) and any(found is one for one in _own[name])


def is_plain(gc: GirderClient) -> bool:
    """Say whether files may be moved side by side, and by the core.

    Args:
        gc: The client.
    """
    is_ours = gc._session is None or isinstance(gc._session, _rest.Session)
    if not is_ours or _rest.is_replaced():
        return False
    return all(own_method(gc, name) for name in _own if name not in _FREE and hasattr(gc, name))


def may_use_core(gc: GirderClient) -> bool:
    """Say whether the core may move the content of files.

    Args:
        gc: The client.
    """
    # The command's client uses its own session for the time of each request.
    is_free = gc._session is None or gc._session is gc._connections.session()
    return is_free and is_plain(gc)


class translated(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Turn exceptions of the core into those of this package and of ``requests``."""

    def __init__(self, what: str, size: int | None = None) -> None:
        """Say what fails, and how large it is."""
        self._what = what
        self._size = size

    def _translate(self, error: BaseException) -> Exception | None:
        from selenite import _exceptions as core

        received = int(getattr(error, "received", 0))
        if received and isinstance(error, core.StatusError | core.TransportError):
            return IncompleteResponseError(self._what, self._size, received)
        if isinstance(error, core.StatusError):
            return HttpError(error.status, error.body, error.url, error.method)
        if isinstance(error, core.DigestError) and error.what == "size":
            return IncompleteResponseError(self._what, int(error.expected), int(error.actual))
        if isinstance(error, core.DigestError):
            message = f"{self._what} has another SHA-512 digest than the server says"
            return ChecksumError(message, self._size, self._size or 0)
        return _rest.transport_error(error)


def _access(gc: GirderClient) -> tuple[str, Any, int | None]:
    return gc.token, getattr(gc, "sslVerify", True), getattr(gc, "retries", None)


def _again(gc: GirderClient, act: Callable[[], Any]) -> Any:
    """Do something, once more with another token if this one has expired."""
    token = gc.token
    try:
        return act()
    except HttpError as error:
        if error.status != 401 or not gc._renew(token):
            raise
        return act()


def download(
    gc: GirderClient,
    file: str,
    document: dict[str, Any],
    path: str,
    update: Callable[[int], object],
) -> bool:
    """Download a file by the core.

    Args:
        gc: The client.
        file: Its id.
        document: The file, as the server describes it.
        path: Where to, in a folder that is there.
        update: Called with the number of further bytes.

    Returns:
        False if it cannot.
    """
    known = {name: document[name] for name in ("created", "size") if name in document}
    place = f"file/{file}"
    size, digest = document.get("size"), document.get("sha512")
    return _download(
        *(gc, f"{place}/download", path, size, digest if isinstance(digest, str) else None),
        *((f"{gc.urlBase}{place}", json.dumps(known)), None, f"File {file} download"),
        update,
    )


def download_only_file(
    gc: GirderClient, item: str, name: str, path: str, size: int, update: Callable[[int], object]
) -> bool:
    """Download the file of an item, if it has one alone, of this name.

    Args:
        gc: The client.
        item: Id of the item.
        name: Its name.
        path: Where to, in a folder that is there.
        size: Its size.
        update: Called with the number of further bytes.

    Returns:
        False if it has none, another one, or several.
    """
    endings = [f"filename*=UTF-8''{quote(name, safe=safe)}" for safe in ("/", "")]
    if name.isascii() and not {'"', "\\"} & set(name):
        endings.append(f'filename="{name}"')
    return _download(
        *(gc, f"item/{item}/download", path, size, None, (gc.urlBase, "{}"), endings),
        *(f"Item {item} download", update),
    )


def download_packed(
    gc: GirderClient,
    place: str,
    files: list[tuple[str, int, str | None, str]],
    *,
    is_ordered: bool,
) -> list[bool]:
    """Download files out of an archive by the core.

    Args:
        gc: The client.
        place: Path of the archive.
        files: Of each its name in the archive, its size, its digest, and where to, in a folder that
            is there.
        is_ordered: Whether the archive has them in this order.

    Returns:
        Which of them have come.
    """
    from selenite import _core

    def act() -> list[bool]:
        with translated("Archive"):
            return _core.girder_download_packed(
                f"{gc.urlBase}{place}", _access(gc), files, is_ordered, lambda *_: check()
            )

    come: list[bool] = _again(gc, act)
    return come


def _download(
    gc: GirderClient,
    place: str,
    path: str,
    size: int | None,
    digest: str | None,
    document: tuple[str, str],
    endings: list[str] | None,
    what: str,
    update: Callable[[int], object],
) -> bool:
    from selenite import _core

    told = 0

    def tell(done: int, *_: int) -> None:
        nonlocal told
        more, told = max(0, done - told), max(done, told)
        update(more)

    def act() -> Any:
        with translated(what, size):
            url = f"{gc.urlBase}{place}"
            return _core.girder_download(
                url, _access(gc), path, size, digest, document, endings, tell
            )

    is_elsewhere = _again(gc, act)
    # A store may not be asked for what is empty.
    if is_elsewhere is not None and told:
        gc._hasStore = is_elsewhere
    return is_elsewhere is not None


def upload(
    gc: GirderClient,
    upload: str,
    path: str,
    start: int,
    sizes: tuple[int, int, int],
    update: Callable[[int], object],
) -> Any:
    """Upload a file by the core.

    Args:
        gc: The client.
        upload: Id of the upload.
        path: The file.
        start: Where to begin.
        sizes: Bytes of the file, of a chunk, and of the smallest chunk.
        update: Called with how many bytes have been sent.

    Returns:
        The last answer, None if that was lost and the upload is over.
    """
    from selenite import _core

    def tell(done: int, *_: int) -> None:
        update(done)

    def act() -> Any:
        with translated("Upload"):
            return _core.girder_upload(gc.urlBase, _access(gc), upload, path, start, sizes, tell)

    return _again(gc, act)
