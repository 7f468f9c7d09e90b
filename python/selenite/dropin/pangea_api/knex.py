"""Requests to the service."""

from __future__ import annotations

import json as _json
import logging
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from selenite import _rest

from .file_system_cache import FileSystemCache

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

DEFAULT_ENDPOINT = "https://pangeabio.io"

_LONGEST_DETAIL = 500


class PangeaGeneralError(requests.exceptions.HTTPError):
    """The service refused a request, or failed.

    Attributes:
        response: The answer.
    """

    def __str__(self) -> str:
        """What `requests` says, and then what the service says."""
        text = super().__str__()
        detail = _detail(self.response)
        return f"{text}: {detail}" if detail else text


class PangeaForbiddenError(PangeaGeneralError):
    """One may not do that (403)."""


class PangeaNotFoundError(PangeaGeneralError):
    """There is no such thing (404)."""


class PangeaInternalError(PangeaGeneralError):
    """The service failed (500)."""


class PangeaOtherError(PangeaGeneralError):
    """Any other status that is an error."""


_ERRORS = {403: PangeaForbiddenError, 404: PangeaNotFoundError, 500: PangeaInternalError}


def error_of(response: requests.Response, text: str) -> PangeaGeneralError:
    """Make the exception for an answer.

    Args:
        response: The answer.
        text: What it says.
    """
    kind = _ERRORS.get(response.status_code, PangeaOtherError)
    plain = requests.exceptions.HTTPError(text, response=response)
    return kind(plain, response=response)


def _detail(response: requests.Response | None) -> str:
    """What the service says of a failure; its pages of HTML say nothing."""
    if response is None or "json" not in str(response.headers.get("Content-Type", "")):
        return ""
    try:
        answer = response.json()
    except ValueError:
        return ""
    if isinstance(answer, dict) and isinstance(answer.get("detail"), str):
        return str(answer["detail"])[:_LONGEST_DETAIL]
    return _json.dumps(answer, ensure_ascii=False)[:_LONGEST_DETAIL] if answer else ""


class TokenAuth(AuthBase):
    """Says by a token who asks."""

    def __init__(self, token: str) -> None:
        """Take the token."""
        self.token = token

    def __call__(self, request: Any) -> Any:
        """Add the token to a request."""
        request.headers["Authorization"] = f"Token {self.token}"
        return request

    def __str__(self) -> str:
        """The token."""
        return self.token


def clean_url(url: str) -> str:
    """Drop one slash at the end.

    Args:
        url: A URL, or a part of one.

    Example:
        >>> clean_url("https://host/")
        'https://host'
    """
    return url[:-1] if url.endswith("/") else url


class Knex:
    """A server, and who asks it.

    Attributes:
        endpoint_url: Where its API is.
        auth: What says who asks, None for nobody.
        headers: Headers of each request.
        cache: Where answers are kept.
    """

    def __init__(self, endpoint_url: str = DEFAULT_ENDPOINT) -> None:
        """Name the server."""
        self.endpoint_url = endpoint_url.rstrip("/") + "/api"
        self.auth: TokenAuth | None = None
        self.headers = {"Accept": "application/json"}
        self.cache = FileSystemCache()
        self._connections = _rest.Connections(("Authorization",))
        self._bodies = _rest.Connections()
        # Who logged in by a token that was kept, and may have ended.
        self._kept_login: tuple[str, str] | None = None

    def _logging_info(self, **kwargs: Any) -> None:
        """Write to the log what is asked for, without secrets."""
        logger.debug(" ".join(f"{key}={value!r}" for key, value in kwargs.items()))

    def _clean_url(self, url: str, url_options: dict[str, Any] = {}) -> str:  # noqa: B006
        """Give the part of a URL that comes after the endpoint, with options."""
        url = clean_url(url).replace(self.endpoint_url, "")
        url = url.removeprefix("/")
        options = "&".join(
            f"{quote(str(key), safe='')}={quote(str(value), safe='')}"
            for key, value in url_options.items()
        )
        if not options:
            return url
        return f"{url}{'&' if '?' in url else '?'}{options}"

    def add_auth_token(self, token: str) -> None:
        """Say who asks from now on.

        Args:
            token: A token of the service.
        """
        self.auth = TokenAuth(token)
        self._kept_login = None

    def login(self, username: str, password: str) -> Knex:
        """Log in, by a token that was kept if there is one.

        A token is kept for one server, one user and one password.

        Args:
            username: Who asks: an e-mail address.
            password: The password.

        Raises:
            PangeaOtherError: If the server refuses them.
        """
        key = self._login_key(username, password)
        kept = self.cache.get_cached_blob(key)
        if isinstance(kept, str) and kept:
            self.add_auth_token(kept)
            self._kept_login = (username, password)
            return self
        self.add_auth_token(self._new_token(username, password))
        return self

    def _login_key(self, username: str, password: str) -> str:
        secret = sha256(f"{username}\0{password}".encode()).hexdigest()
        return f"TOKEN\0{self.endpoint_url}\0{username}\0{secret}"

    def _new_token(self, username: str, password: str) -> str:
        """Get a token, and keep it."""
        self.auth = None
        self._kept_login = None
        body = {"email": username, "password": password}
        token = str(self._call("post", "auth/token/login", body)["auth_token"])
        key = self._login_key(username, password)
        self.cache.clear_blob(key)
        self.cache.cache_blob(key, token)
        return token

    def _handle_response(self, response: requests.Response, json_response: bool = True) -> Any:
        """Give what an answer holds, or raise what it says."""
        status = response.status_code
        if status >= 400:
            try:
                response.raise_for_status()
            except requests.exceptions.HTTPError as error:
                self._logging_info(status=status, answer=_detail(response))
                raise _ERRORS.get(status, PangeaOtherError)(error, response=response) from None
        if response.is_redirect:
            where = _rest.without_secrets(response.headers["Location"])
            text = f"{status} Redirect: {response.request.method} is not sent on to {where}"
            raise error_of(response, text)
        if not json_response:
            return response
        if status == 204 and not response.content:
            return None
        return response.json()

    def _call(
        self,
        method: str,
        path: str,
        json: Any = None,
        url_options: dict[str, Any] | None = None,
        json_response: bool = True,
    ) -> Any:
        """Send a request for a path as it is, which may end in a slash."""
        url = self._address(path, url_options)
        response = self._send(method, url, json)
        if self._has_ended(response):
            username, password = self._kept_login or ("", "")
            self.auth = TokenAuth(self._new_token(username, password))
            response = self._send(method, url, json)
        return self._handle_response(response, json_response)

    def _address(self, path: str, url_options: dict[str, Any] | None) -> str:
        """The URL of a path as it is, which may end in a slash, with options."""
        # `_clean_url` would drop the slash.
        path = path.removeprefix(self.endpoint_url).removeprefix("/")
        options = self._clean_url("", url_options or {})
        if options:
            path += options if "?" not in path else options.replace("?", "&", 1)
        return f"{self.endpoint_url}/{path}"

    def _has_ended(self, response: requests.Response) -> bool:
        """Say whether the token that was kept is none any more."""
        is_refused = self._kept_login is not None and response.status_code in (401, 403)
        return is_refused and _detail(response) == "Invalid token."

    def _send(self, method: str, url: str, json: Any) -> requests.Response:
        """Send a request, again where that does no harm."""
        is_reading = method in ("get", "head")
        self._logging_info(method=method, url=_rest.without_secrets(url))
        given: dict[str, Any] = {"headers": self.headers, "auth": self.auth}
        if json is not None:
            given["json"] = json
        if not is_reading:
            # A POST that is sent on becomes a GET.
            given["allow_redirects"] = False
        send = partial(self._connections.function(None, method), url, **given)
        with _rest.limited():
            # PUT is left to the caller, too.
            return _rest.sent(send, method if is_reading else "post")

    def _public(
        self, method: str, url: str, json: Any, url_options: dict[str, Any], given: dict[str, Any]
    ) -> Any:
        path = self._clean_url(url, url_options=url_options)
        return self._call(method, path, json, None, **given)

    def get(self, url: str, url_options: dict[str, Any] = {}, **kwargs: Any) -> Any:  # noqa: B006
        """Read.

        Args:
            url: Where, below the endpoint.
            url_options: What is added to the query string.
            **kwargs: `json_response=False` gives the answer as an object of `requests`.

        Raises:
            PangeaGeneralError: If the service refuses, or fails.
        """
        return self._public("get", url, None, url_options, kwargs)

    def post(
        self,
        url: str,
        json: Any = {},  # noqa: B006
        url_options: dict[str, Any] = {},  # noqa: B006
        **kwargs: Any,
    ) -> Any:
        """Send something new.

        Args:
            url: Where, below the endpoint.
            json: What is sent.
            url_options: What is added to the query string.
            **kwargs: `json_response=False` gives the answer as an object of `requests`.

        Raises:
            PangeaGeneralError: If the service refuses, or fails.
        """
        return self._public("post", url, json, url_options, kwargs)

    def put(
        self,
        url: str,
        json: Any = {},  # noqa: B006
        url_options: dict[str, Any] = {},  # noqa: B006
        **kwargs: Any,
    ) -> Any:
        """Replace something.

        Args:
            url: Where, below the endpoint.
            json: What is sent.
            url_options: What is added to the query string.
            **kwargs: `json_response=False` gives the answer as an object of `requests`.

        Raises:
            PangeaGeneralError: If the service refuses, or fails.
        """
        return self._public("put", url, json, url_options, kwargs)

    def patch(
        self,
        url: str,
        json: Any = {},  # noqa: B006
        url_options: dict[str, Any] = {},  # noqa: B006
        **kwargs: Any,
    ) -> Any:
        """Change parts of something.

        Args:
            url: Where, below the endpoint.
            json: What is sent.
            url_options: What is added to the query string.
            **kwargs: `json_response=False` gives the answer as an object of `requests`.

        Raises:
            PangeaGeneralError: If the service refuses, or fails.
        """
        return self._public("patch", url, json, url_options, kwargs)

    def delete(
        self,
        url: str,
        url_options: dict[str, Any] = {},  # noqa: B006
        **kwargs: Any,
    ) -> Any:
        """Delete something.

        Args:
            url: Where, below the endpoint.
            url_options: What is added to the query string.
            **kwargs: `json` is sent, if it is given; `json_response=False` gives the answer as an
                object of `requests`.

        Returns:
            What the service answers, None if that is nothing.

        Raises:
            PangeaGeneralError: If the service refuses, or fails.
        """
        return self._public("delete", url, kwargs.pop("json", None), url_options, kwargs)
