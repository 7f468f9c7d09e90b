"""Small requests of clients whose API is made of the objects of ``requests``.

Here is what such clients have in common: connections that are kept, tries, time limits, and what
keeps secrets where they belong. File bodies go through the core where nobody would miss them here:
see `is_replaced`.
"""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import contextmanager
from http.client import responses as reasons
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from selenite import _settings
from selenite._translating import Translating

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from selenite._exceptions import StatusError

# A server may close a connection that nobody uses: what must not be sent twice gets a new one.
_IDLE_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
# A server that asks for a longer pause than this gets no further request.
LONGEST_RETRY_AFTER = 60.0
_CONNECTIONS = 64
_REPEATABLE = {"GET", "HEAD", "OPTIONS", "PUT"}
_BUSY = {502, 503, 504}
_SECRETS = {"key", "password", "token", "old", "new", "currentToken", "temporaryToken"}
_local = threading.local()


@contextmanager
def limited() -> Iterator[None]:
    """Let servers be silent for so long only as ``SELENITE_TIMEOUT`` says, within the block.

    Without it, a request waits for ever, as those of ``requests`` do: an answer may take minutes.
    """
    before = getattr(_local, "is_limited", False)
    _local.is_limited = True
    try:
        yield
    finally:
        _local.is_limited = before


class Ended(BaseException):
    """The work of a thread is not wanted any more."""


def check(*_: object) -> None:
    """Fail if the work of this thread is not wanted any more."""
    ended: threading.Event | None = getattr(_local, "ended", None)
    if ended is not None and ended.is_set():
        raise Ended


def side_by_side(
    function: Callable[[Any], Any], given: Iterable[Any], most: int, name: str = ""
) -> list[Any]:
    """Call a function for many things, several at a time. An interruption ends all calls.

    Args:
        function: What is called. It calls `check` now and then.
        given: What it is called with.
        most: How many at a time.
        name: How the names of the threads begin.

    Returns:
        What it returned, in order.
    """
    from concurrent.futures import ThreadPoolExecutor

    ended = threading.Event()

    def act(one: Any) -> Any:
        _local.ended = ended
        return function(one)

    pool = ThreadPoolExecutor(max(1, most), name)
    try:
        return list(pool.map(act, given))
    except Exception:
        raise  # what is under way is finished
    except BaseException:
        ended.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class Adapter(HTTPAdapter):
    """Connects within a time limit."""

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request."""
        if timeout is None:
            idle = _settings.timeout() if getattr(_local, "is_limited", False) else None
            timeout = (_settings.connect_timeout(), idle)
        return super().send(request, stream, timeout, verify, cert, proxies)


class Session(requests.Session):
    """A session that keeps connections, and secret headers from other servers."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        """Name the headers that are meant for one server alone."""
        super().__init__()
        self._secrets = secrets
        self._used = time.monotonic()
        for scheme in ("https://", "http://"):
            self.mount(scheme, Adapter(pool_connections=8, pool_maxsize=_CONNECTIONS))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request, over a new connection if it must not be sent twice and others are old."""
        is_old = time.monotonic() - self._used > _IDLE_SECONDS
        if is_old and request.method not in _REPEATABLE:
            for adapter in self.adapters.values():
                adapter.close()
        try:
            return super().send(request, **kwargs)
        finally:
            self._used = time.monotonic()

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Take secrets out of a request that is sent to another server."""
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]
        _withhold(prepared_request, response, self._secrets)


def keep_secrets(session: object, secrets: tuple[str, ...]) -> None:
    """Let a session of the caller's keep secret headers from other servers, too.

    Args:
        session: A session, or anything that stands for one.
        secrets: Names of the headers.
    """
    if not isinstance(session, requests.Session) or isinstance(session, Session):
        return
    if "rebuild_auth" in vars(session):
        return
    plain = session.rebuild_auth

    def rebuild_auth(
        prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        plain(prepared_request, response)  # type: ignore[no-untyped-call]
        _withhold(prepared_request, response, secrets)

    session.rebuild_auth = rebuild_auth  # type: ignore[method-assign]


def _withhold(
    request: requests.PreparedRequest, response: requests.Response, secrets: tuple[str, ...]
) -> None:
    here, there = (urlsplit(str(one.url)) for one in (response.request, request))
    if (here.scheme, here.netloc) == (there.scheme, there.netloc):
        return
    if here.scheme == "https" and there.scheme != "https":
        message = f"{here.hostname} sends the request on to {there.hostname} without encryption"
        raise requests.exceptions.InvalidURL(message, request=request, response=response)
    for name in (*secrets, "Cookie"):
        request.headers.pop(name, None)


class Connections:
    """The connections of one client, made when they are needed, and by each process anew."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        """Name the headers that are meant for one server alone."""
        self.secrets = secrets
        self._kept: tuple[int, Session] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and other processes make connections of their own."""
        return type(self), (self.secrets,)

    def session(self) -> Session:
        """The session for requests that nobody has given another one for."""
        kept = self._kept
        if kept is None or kept[0] != os.getpid():
            kept = self._kept = (os.getpid(), Session(self.secrets))
        return kept[1]

    def function(self, session: object, method: str) -> Callable[..., Any]:
        """The function that sends requests.

        Args:
            session: A session of the caller's, None if there is none.
            method: Method in small letters.

        Raises:
            AttributeError: If there is no such method.
        """
        if session is not None:
            keep_secrets(session, self.secrets)
            found: Callable[..., Any] = getattr(session, method)
            return found
        plain: Callable[..., Any] = getattr(requests, method)
        if is_own(plain, requests.api):
            plain = getattr(self.session(), method)
        return plain


def is_own(function: object, module: object) -> bool:
    """Say whether a function is the one that its module has defined.

    Args:
        function: The function.
        module: The module.
    """
    return getattr(function, "__globals__", None) is vars(module)


def is_replaced() -> bool:
    """Say whether something stands between callers of ``requests`` and the network.

    ``responses``, ``requests_mock``, ``httmock``, ``betamax`` and ``unittest.mock`` replace one of
    these; whoever does that wants to see every request.
    """
    session, adapter = requests.Session, HTTPAdapter
    functions = [
        (getattr(requests, name), requests.api) for name in ("get", "post", "put", "request")
    ]
    methods = [
        (getattr(session, name, None), requests.sessions)
        for name in ("send", "request", "get", "post", "put", "get_adapter", "mount")
    ]
    adapters = [
        (getattr(adapter, name, None), requests.adapters)
        for name in ("send", "build_response", "init_poolmanager")
    ]
    return not all(is_own(*one) for one in [*functions, *methods, *adapters])


def transport_error(error: BaseException) -> requests.RequestException | None:
    """Make the exception of ``requests`` for a request of the core's that got no answer.

    Args:
        error: The exception of the core.

    Returns:
        The exception, None if it is about something else.
    """
    from selenite import _exceptions as core

    if isinstance(error, core.TransportTimeout):
        kind = requests.ConnectTimeout if error.connecting else requests.ReadTimeout
        return kind(str(error))
    if isinstance(error, core.TransportError):
        is_tls = "certificate" in str(error).lower()
        return (requests.exceptions.SSLError if is_tls else requests.ConnectionError)(str(error))
    return None


class in_requests(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Raise the exceptions of ``requests`` for requests of the core's that got no answer."""

    def _translate(self, error: BaseException) -> Exception | None:
        return transport_error(error)


def answer(
    status: int,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    request: tuple[str, str],
) -> requests.Response:
    """Make an answer of ``requests`` of one that came by the core.

    Args:
        status: Its status.
        headers: Its headers.
        body: Its body.
        request: Method and URL.
    """
    made = requests.Response()
    made.status_code = status
    made.reason = reasons.get(status, "")
    made.headers.update(headers)
    made._content, made._content_consumed = body, True  # type: ignore[attr-defined]
    made.encoding = requests.utils.get_encoding_from_headers(made.headers)
    made.url = request[1]
    made.request = requests.PreparedRequest()
    made.request.method, made.request.url = request
    return made


def refusal(error: StatusError) -> requests.Response:
    """Make an answer of ``requests`` of what the core says of a refusal.

    Args:
        error: The exception.
    """
    return answer(error.status, error.headers, error.body.encode(), (error.method, error.url))


def send_content(
    method: str,
    url: str,
    headers: dict[str, str],
    source: Any,
    frame: tuple[bytes, bytes],
    *,
    package: str,
    idle: float | None = None,
    suffix: bytes | None = None,
    progress: Callable[..., None] | None = None,
) -> tuple[requests.Response, str | None]:
    """Send a large content by the core, once.

    Args:
        method: Method.
        url: URL.
        headers: Headers.
        source: Path, start and size of a part of a file, or bytes.
        frame: What comes before and after the content.
        package: For which package, with its version.
        idle: For how long the server may be silent, in seconds.
        suffix: What is digested with the content, after it. Without it, nothing is.
        progress: Told of the bytes that were sent.

    Returns:
        The answer, of whatever status, and the SHA-256 digest.

    Raises:
        requests.RequestException: If there is none; its ``digest`` is that of the content if all of
            it was read.
    """
    from selenite import _core
    from selenite import _exceptions as core

    try:
        status, answered, body, digest = _core.send_content(
            *(method, url, list(headers.items()), source, frame, suffix),
            *((package, idle, 0), progress),
        )
    except core.StatusError as error:
        return refusal(error), getattr(error, "digest", None)
    except core.TransportError as error:
        failure = transport_error(error)
        assert failure is not None
        failure.digest = getattr(error, "digest", None)  # type: ignore[attr-defined]
        raise failure from error
    return answer(status, answered, body, (method, url)), digest


def sent(
    send: Callable[[], requests.Response],
    method: str,
    *,
    is_repeatable: bool = True,
    before: Callable[[], object] | None = None,
    most: int | None = None,
    busy: Collection[int] = _BUSY,
) -> requests.Response:
    """Send a request, again if it has not come to the server, or may be sent twice.

    Args:
        send: Sends it.
        method: Its method.
        is_repeatable: Whether what it brings can be sent once more.
        before: Called before it is sent again.
        most: How often it is sent again, by default as ``SELENITE_RETRIES`` says.
        busy: Statuses after which it may be sent again.

    Returns:
        The answer, of whatever status.
    """
    if _settings.is_offline():
        message = "the network is switched off by SELENITE_OFFLINE"
        raise requests.ConnectionError(message)
    most = _settings.retries() if most is None else most
    is_harmless = is_repeatable and method.upper() in _REPEATABLE
    for tried in range(most + 1):
        pause = _FIRST_PAUSE_SECONDS * 2**tried * random.uniform(0.5, 1.0)
        pause = min(pause, _LONGEST_PAUSE_SECONDS)
        try:
            response = send()
        except requests.RequestException as error:
            again = (was_not_sent(error) and is_repeatable) or (is_harmless and is_broken(error))
            if tried == most or not again:
                raise
        else:
            asked = retry_after(response)
            is_busy = response.status_code in busy or (response.status_code == 429 and asked)
            if (
                tried == most
                or not is_busy
                or not is_harmless
                or (asked or 0) > LONGEST_RETRY_AFTER
            ):
                return response
            response.close()
            pause = max(pause, asked or 0)
        time.sleep(pause)
        if before is not None:
            before()
    raise AssertionError


def pause_after(failures: int) -> float:
    """How long to wait before another try, in seconds.

    Args:
        failures: Failures in a row.
    """
    pause = _FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 16) * random.uniform(0.5, 1.0)
    return min(pause, _LONGEST_PAUSE_SECONDS)


def retry_after(response: requests.Response) -> float | None:
    """The pause that a server asks for, in seconds."""
    text = str(response.headers.get("Retry-After", "")).strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def was_not_sent(error: BaseException) -> bool:
    """Say whether a request failed before anything of it came to the server."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if not isinstance(error, requests.ConnectionError) or isinstance(
        error, requests.exceptions.SSLError
    ):
        return False
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def is_broken(error: BaseException) -> bool:
    """Say whether a connection broke, which it may not do the next time."""
    passing = (
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    )
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return False
    if isinstance(error, requests.exceptions.ReadTimeout):
        return bool(getattr(_local, "is_limited", False))
    return isinstance(error, passing)


def without_secrets(url: str) -> str:
    """Take the values of secrets out of a URL.

    Args:
        url: A URL, with its query string.

    Example:
        >>> without_secrets("http://host/token?key=abc&a=1")
        'http://host/token?key=%2A%2A%2A&a=1'
        >>> without_secrets("http://me:word@host/a?b=c")
        'http://***@host/a?b=c'
    """
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    if at:
        parts = parts._replace(netloc=f"***@{host}")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if any(name in _SECRETS for name, _ in pairs):
        hidden = [(name, "***" if name in _SECRETS else value) for name, value in pairs]
        parts = parts._replace(query=urlencode(hidden))
    return urlunsplit(parts) if at or parts.query != urlsplit(url).query else url
