"""Requests to the service. `requests` is imported with the first one."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from selenite import _rest, _settings

from . import _login
from ._errors import TupliConnectionError, TupliStorageError, TupliTimeoutError, error_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .storage import TupliAPIClient

_BUSY = {429, 502, 503, 504}
_RETRIES = 3
# Lists of artifacts make the service read them all.
_IDLE_SECONDS = 300.0
_AUTHORIZATION = "Authorization"


class Connections(_rest.Connections):
    """Connections that carry no other authority than what a request says."""

    def session(self) -> _rest.Session:
        """The session for requests that nobody has given another one for."""
        kept = self._kept
        if kept is None or kept[0] != os.getpid():
            kept = self._kept = (os.getpid(), _Session((_AUTHORIZATION,)))
        return kept[1]


class _Session(_rest.Session):
    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        # Not that of `requests`, which would look for another authority in `~/.netrc`.
        _rest._withhold(prepared_request, response, self._secrets)


class Bearer(requests.auth.AuthBase):
    """Sets the header of the login, or none: `~/.netrc` is for requests that say nothing of it."""

    def __init__(self, header: str | None) -> None:
        """Take the header."""
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set it."""
        if self._header is not None:
            request.headers[_AUTHORIZATION] = self._header
        return request

    def headers(self, others: dict[str, str]) -> dict[str, str]:
        """The header among others."""
        return others if self._header is None else {**others, _AUTHORIZATION: self._header}

    def user(self) -> str | None:
        """Whose login it is, None if that cannot be read."""
        return None if self._header is None else _login.user(self._header.removeprefix("Bearer "))


_connections = Connections((_AUTHORIZATION,))


def sent(
    client: TupliAPIClient,
    method: str,
    url: str,
    authority: str | None,
    *,
    before: Callable[[], object] | None = None,
    is_harmless: bool | None = None,
    function: Callable[..., requests.Response] | None = None,
    most: int | None = None,
    **given: Any,
) -> requests.Response:
    """Send a request, again if it may be sent twice.

    Args:
        client: Whose time limits and retries count.
        method: Method of HTTP.
        url: URL.
        authority: Header of the login, None to send none.
        before: Called before it is sent again.
        is_harmless: Whether it can be sent twice, if that is not seen by method and URL.
        function: What sends it, by default `requests`.
        most: How often it is sent again at most, by default as the client says.
        given: What `requests` takes.

    Returns:
        The answer, of whatever status.

    Raises:
        requests.RequestException: If there is none.
    """
    method = method.upper()
    if is_harmless is None:
        is_list = method == "POST" and urlsplit(url).path.endswith("/list")
        is_harmless = method in {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} or is_list
    if given.get("timeout") is None:
        given["timeout"] = _timeout(client)
    given.setdefault("allow_redirects", method == "GET")
    send = partial(function or _function(method), url, auth=Bearer(authority), **given)
    most = retries(client) if most is None else most
    with _rest.limited():
        return _rest.sent(
            send, "GET" if is_harmless else "POST", before=before, most=most, busy=_BUSY
        )


def _function(method: str) -> Callable[..., Any]:
    """The function of `requests` that somebody has replaced, or that of our session."""
    name = method.lower()
    if name in {"get", "post", "put", "delete", "head", "options", "patch"}:
        plain = getattr(requests, name)
        if not _rest.is_own(plain, requests.api):
            found: Callable[..., Any] = plain
            return found
    return partial(_connections.function(None, "request"), method)


def _timeout(client: TupliAPIClient) -> Any:
    if client.timeout is not None:
        return client.timeout
    return _settings.connect_timeout(), _settings.timeout(_IDLE_SECONDS)


def retries(client: TupliAPIClient) -> int:
    """How often a client tries again.

    Args:
        client: The client.
    """
    return _settings.retries(_RETRIES) if client.retries is None else client.retries


def authenticated(
    client: TupliAPIClient, method: str, url: str, size: int = 0, **given: Any
) -> requests.Response:
    """Send a request with the login, which is renewed if it is over.

    Args:
        client: The client.
        method: Method of HTTP.
        url: URL.
        size: Bytes of the body, if they are many.
        given: What `requests` takes, and `sent`.

    Returns:
        The answer, of a status below 400.

    Raises:
        TupliStorageError: If there is none.
    """
    headers = dict(given.pop("headers", None) or {})
    headers.pop(_AUTHORIZATION, None)
    try:
        streams = _streams(given)
        given.setdefault("before", lambda: _rewind(streams))
        authority = _authority(client, url, size)
        response = sent(client, method, url, authority, headers=headers, **given)
        if response.status_code == 401:
            response.close()
            authority = _renewed(client, authority.removeprefix("Bearer "))
            _rewind(streams)
            response = sent(client, method, url, authority, headers=headers, **given)
    except TupliStorageError:
        raise
    except (requests.RequestException, TypeError, ValueError, OSError) as error:
        raise failure("Request failed", error, url) from error
    return checked(response, "API request failed")


def _streams(given: dict[str, Any]) -> list[tuple[Any, int]]:
    """Files that are sent, and where they stand."""
    files = given.get("files") or {}
    parts = [part for _, part in (files.items() if isinstance(files, dict) else files)]
    parts = [part[1] if isinstance(part, tuple | list) else part for part in parts]
    streams = [one for one in (*parts, given.get("data")) if hasattr(one, "seekable")]
    return [(one, one.tell()) for one in streams if one.seekable()]


def _rewind(streams: list[tuple[Any, int]]) -> None:
    """Set files back that were sent once."""
    for stream, at in streams:
        stream.seek(at)


def _authority(client: TupliAPIClient, url: str, size: int) -> str:
    """The header that a request carries, of a token that lasts as long as it takes."""
    try:
        header: str = client._get_bearer_token()[_AUTHORIZATION]
    except TupliStorageError as error:
        if str(error) == _login.NO_LOGIN:
            message = f"Request failed: {error}"
            raise TupliStorageError(message) from None
        raise
    _login.check_origin(url)
    token = header.removeprefix("Bearer ")
    if _login.is_short(token, size) and _login.refresh() is not None:
        try:
            return _renewed(client, token, size)
        except TupliStorageError as error:
            # As long as it is not over, it may do.
            if error.status_code in (401, 403) or _login.is_over(token):
                raise
    return header


def _renewed(client: TupliAPIClient, refused: str, size: int = 0) -> str:
    """Renew the login, unless another thread or process has done that meanwhile."""
    with _login.locked():
        now = _login.access()
        if now is not None and now != refused and not _login.is_short(now, size):
            return f"Bearer {now}"
        header: str = client._refresh_token()[_AUTHORIZATION]
        return header


def renew(client: TupliAPIClient) -> dict[str, str]:
    """Get a new token, and keep it.

    Args:
        client: The client.

    Returns:
        The header of the login.

    Raises:
        TupliStorageError: If there is none.
    """
    with _login.locked():
        token = _login.refresh()
        if token is None:
            raise TupliStorageError(_login.NO_LOGIN)
        url = f"{client.base_url}/access/users/refresh-token"
        _login.check_origin(url)
        try:
            response = sent(client, "POST", url, f"Bearer {token}", is_harmless=True)
        except (requests.RequestException, ValueError, OSError) as error:
            raise failure("Token refresh failed", error, url) from error
        if response.status_code >= 400:
            if response.status_code in (401, 403):
                _login.forget(token)
            checked(response, "Token refresh failed", ". Please login again.")
        found = token_of(_json(response, "Token refresh failed", ". Please login again."))
        if found is None:
            message = "Token refresh failed: the answer holds no token. Please login again."
            raise error_with(TupliStorageError, message, response.status_code, url=url)
        _login.keep_access(found)
        return {_AUTHORIZATION: f"Bearer {found}"}


def token_of(answer: Any, name: str = "access_token") -> str | None:
    """Find a token in an answer, in whichever form.

    Args:
        answer: The answer.
        name: Which one.
    """
    if not isinstance(answer, dict):
        return None
    found = answer.get(name)
    if found is None and name == "access_token":
        found = answer.get("token")
    if isinstance(found, dict):
        found = found.get("token")
    return found if isinstance(found, str) and found else None


def unauthenticated(
    client: TupliAPIClient, url: str, body: dict[str, Any], what: str
) -> requests.Response:
    """Send a request without the login.

    Args:
        client: The client.
        url: URL.
        body: JSON that is sent.
        what: How messages begin.

    Returns:
        The answer, of a status below 400.

    Raises:
        TupliStorageError: If there is none.
    """
    is_login = what == "Login failed"
    try:
        response = sent(client, "POST", url, None, json=body, is_harmless=is_login)
    except (requests.RequestException, TypeError, ValueError, OSError) as error:
        raise failure(what, error, url) from error
    return checked(response, what)


def tokens(response: requests.Response) -> tuple[str, str]:
    """The tokens of a login.

    Args:
        response: The answer to it.

    Raises:
        TupliStorageError: If they are not there.
    """
    answer = _json(response, "Login failed")
    both = [token_of(answer, name) for name in ("access_token", "refresh_token")]
    if both[0] is None or both[1] is None:
        message = "Login failed: the answer holds no tokens"
        raise error_with(TupliStorageError, message, response.status_code, url=response.url)
    return both[0], both[1]


def _json(response: requests.Response, what: str, after: str = "") -> Any:
    try:
        return response.json()
    except ValueError as error:
        message = f"{what}: the answer is no JSON{after}"
        url = _rest.without_secrets(str(response.url))
        raise error_with(TupliStorageError, message, response.status_code, url=url) from error


def failure(what: str, error: BaseException, url: str) -> TupliStorageError:
    """Make the exception of a request without an answer.

    Args:
        what: How its message begins.
        error: What was raised.
        url: URL of the request.
    """
    kind = TupliStorageError
    if isinstance(error, requests.Timeout):
        kind = TupliTimeoutError
    elif isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        kind = TupliConnectionError
    try:
        shown = _rest.without_secrets(url)
    except ValueError:
        shown = "(no URL)"  # and where its secrets are is not known
    text = str(error).replace(url, shown)
    return error_with(kind, f"{what}: {text}", url=shown)


def detail_of(response: requests.Response) -> Any:
    """What the service says of a failure, None if that cannot be read."""
    try:
        said = response.json()
    except (ValueError, requests.RequestException):
        return None
    return said.get("detail") if isinstance(said, dict) else None


def checked(response: requests.Response, what: str, after: str = "") -> requests.Response:
    """Give an answer back if it is a success.

    Args:
        response: The answer.
        what: How the message begins if it is none.
        after: How it ends.

    Raises:
        TupliStorageError: If its status is no success.
    """
    status = response.status_code
    if status < 300 or status == 304:
        return response
    url = _rest.without_secrets(str(response.url))
    reason = response.reason
    if isinstance(reason, bytes):
        reason = reason.decode("utf-8", "replace")
    who = "Server" if status >= 500 else "Client" if status >= 400 else "Redirect"
    text = f"{what}: {status} {who} Error: {reason} for url: {url}"
    detail = detail_of(response) if status >= 400 else None
    if status < 400:
        to = _rest.without_secrets(str(response.headers.get("Location", "nowhere")))
        text += f" (to {to}: such a request does not follow)"
    elif detail is not None:
        text += f" ({_shown(detail)})"
    response.close()
    raise error_with(TupliStorageError, text + after, status, detail, url)


def _shown(detail: Any) -> str:
    """What the service says, in one line: of faults in a request without what they are in."""
    if not isinstance(detail, list):
        return str(detail)
    faults = [one for one in detail if isinstance(one, dict)]
    return "; ".join(
        f"{'.'.join(str(part) for part in one.get('loc', []))}: {one.get('msg', '')}"
        for one in faults
    )
