"""Access tokens: in memory, on the disk, or from GitHub."""

from __future__ import annotations

import os

from selenite import _core

from ._asking import _is_interactive
from ._defaults import DEFAULT, CacheDir, optional_cache, site
from ._errors import GypsumError, checked, translated
from ._forms import _remove_slash_url
from ._github import github_access_token
from .cache_directory import cache_directory
from .config import REQUESTS_MOD
from .rest_url import rest_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, overload

__all__ = [
    "REQUESTS_MOD",
    "TOKEN_AUTO",
    "TOKEN_CACHE",
    "_is_interactive",
    "_remove_slash_url",
    "access_token",
    "cache_directory",
    "github_access_token",
    "rest_url",
    "set_access_token",
]

#: The present token under ``auth_info``: a dictionary with ``token``, ``name`` and ``expires``.
TOKEN_CACHE: dict[str, dict[str, Any]] = {}
#: Asks for a token by way of a browser.
TOKEN_AUTO = "auto"

_GITHUB = "https://api.github.com"
_EXPIRY = "github-authentication-token-expiration"


def _bearer(token: str | None) -> str:
    """Say which token is meant."""
    return access_token() if token is None else token


def _token_cache_path(cache_dir: str) -> str:
    """Say where the token is kept."""
    return os.path.join(cache_dir, "credentials", "token.txt")


if TYPE_CHECKING:

    @overload
    def access_token(
        full: Literal[False] = ...,
        request: Literal[True] = ...,
        cache_dir: CacheDir = ...,
        token_expiration_limit: float = ...,
    ) -> str: ...
    @overload
    def access_token(
        full: Literal[False] = ...,
        request: bool = ...,
        cache_dir: CacheDir = ...,
        token_expiration_limit: float = ...,
    ) -> str | None: ...
    @overload
    def access_token(
        full: Literal[True],
        request: Literal[True] = ...,
        cache_dir: CacheDir = ...,
        token_expiration_limit: float = ...,
    ) -> dict[str, Any]: ...
    @overload
    def access_token(
        full: bool = ...,
        request: bool = ...,
        cache_dir: CacheDir = ...,
        token_expiration_limit: float = ...,
    ) -> str | dict[str, Any] | None: ...


def access_token(
    full: bool = False,
    request: bool = True,
    cache_dir: CacheDir = DEFAULT,
    token_expiration_limit: float = 10,
) -> str | dict[str, Any] | None:
    """Get the token by which the service knows the user.

    It is that of this process, else that in the cache, else that of the environment variable
    ``GYPSUM_TOKEN``, else that in the file which ``GYPSUM_TOKEN_FILE`` names and which only the
    user may read, else the user is asked for one.

    Args:
        full: Return all that is known of it.
        request: Ask the user if there is none.
        cache_dir: Directory of the cache, by default ``cache_directory()``; None for no cache.
        token_expiration_limit: Seconds for which it must still be valid.

    Returns:
        The token; with ``full``, a dictionary with ``token``, ``name`` (the user's, None if it is
        not known) and ``expires`` (seconds since 1970, ``inf`` for never). None if there is none
        and ``request`` is False.

    Raises:
        GypsumError: If nobody can be asked, if access is refused, or if ``GYPSUM_TOKEN_FILE`` names
            a file that is missing, that others can read, or that does not hold one token.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.set_access_token(token, github_url=github, cache_dir=cache)["name"]
        'root-admin'
        >>> gypsum_client.access_token(cache_dir=cache) == token
        True
    """
    import time

    cache = optional_cache(cache_dir)
    limit = time.time() + token_expiration_limit
    found = TOKEN_CACHE.get("auth_info")
    if found is not None and found["expires"] <= limit:
        found = None
    if found is None and cache is not None:
        found = _stored(_token_cache_path(cache), limit)
        if found is not None:
            TOKEN_CACHE["auth_info"] = found
    if found is None:
        found = _from_environment()
    if found is None:
        if not request:
            return None
        found = set_access_token(cache_dir=cache)
    if found is None:
        return None
    return dict(found) if full else str(found["token"])


def _from_environment() -> dict[str, Any] | None:
    token = os.environ.get("GYPSUM_TOKEN")
    if not token and (path := os.environ.get("GYPSUM_TOKEN_FILE")):
        token = _read_token_file(path)
    return {"token": token, "name": None, "expires": float("inf")} if token else None


def _read_token_file(path: str) -> str:
    """Read a file that holds a token and nothing else."""
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            words = file.read().split()
    except OSError as error:
        message = f"Failed to read the file of GYPSUM_TOKEN_FILE, '{path}': {error.strerror}"
        raise GypsumError(message) from error
    except UnicodeDecodeError:
        words = []
    if mode & 0o077:
        message = (
            f"The file of GYPSUM_TOKEN_FILE, '{path}', has mode {mode:03o}, so that others can"
            " get at it; give it mode 600."
        )
        raise GypsumError(message)
    if len(words) != 1:
        message = f"The file of GYPSUM_TOKEN_FILE, '{path}', does not hold one token."
        raise GypsumError(message)
    return words[0]


def _stored(path: str, limit: float) -> dict[str, Any] | None:
    """Read a token from the disk; what is of no use is deleted."""
    try:
        with open(path, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
                import warnings

                from selenite import SeleniteWarning

                message = (
                    f"the token in '{path}' is not used: the file belongs to another user, or"
                    " others can write to it; remove it and call set_access_token()"
                )
                warnings.warn(message, SeleniteWarning, stacklevel=3)
                return None
            lines = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        lines = []
    try:
        token, name, expires = lines[0], lines[1], float(lines[2])
    except (IndexError, ValueError):
        token = name = ""
        expires = 0.0
    if token and expires > limit:
        return {"token": token, "name": name, "expires": expires}
    _delete(path)
    return None


def _delete(path: str) -> None:
    from contextlib import suppress

    with suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


if TYPE_CHECKING:

    @overload
    def set_access_token(
        token: str = ...,
        app_url: str | None = ...,
        app_key: str | None = ...,
        app_secret: str | None = ...,
        github_url: str = ...,
        user_agent: str | None = ...,
        cache_dir: CacheDir = ...,
    ) -> dict[str, Any]: ...
    @overload
    def set_access_token(
        token: str | None = ...,
        app_url: str | None = ...,
        app_key: str | None = ...,
        app_secret: str | None = ...,
        github_url: str = ...,
        user_agent: str | None = ...,
        cache_dir: CacheDir = ...,
    ) -> dict[str, Any] | None: ...


def set_access_token(
    token: str | None = "auto",
    app_url: str | None = None,
    app_key: str | None = None,
    app_secret: str | None = None,
    github_url: str = _GITHUB,
    user_agent: str | None = None,
    cache_dir: CacheDir = DEFAULT,
) -> dict[str, Any] | None:
    """Choose the token by which the service knows the user.

    Args:
        token: A token of GitHub; ``"auto"`` to get one by way of a browser; None to forget the one
            that is there.
        app_url: URL of the service that knows the application to be granted access, by default
            ``rest_url()``.
        app_key: Identifier of the application, by default the service's.
        app_secret: Its secret, by default the service's.
        github_url: URL of GitHub's API, or of something that answers like it. The environment
            variable ``GYPSUM_GITHUB_URL`` replaces the default.
        user_agent: How to call oneself there.
        cache_dir: Directory of the cache, by default ``cache_directory()``; None for no cache.

    Returns:
        A dictionary with ``token``, ``name`` (the user's) and ``expires`` (seconds since 1970,
        ``inf`` for never); None if the token was forgotten.

    Raises:
        GypsumError: If nobody can be asked, or if access is refused.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.set_access_token(token, github_url=github, cache_dir=None)["name"]
        'root-admin'
        >>> gypsum_client.set_access_token(None, cache_dir=cache)
    """
    cache = optional_cache(cache_dir)
    if token is None:
        TOKEN_CACHE.pop("auth_info", None)
        if cache is not None:
            _delete(_token_cache_path(cache))
        return None
    if token == TOKEN_AUTO:
        token = _ask(app_url, app_key, app_secret)
    if github_url == _GITHUB:
        github_url = os.environ.get("GYPSUM_GITHUB_URL") or _GITHUB
    what = "Failed to access token from GitHub"
    with translated(what):
        headers, user = _core.gypsum_request(
            site(github_url), "GET", "user", [], token, "", user_agent
        )
    found = {name.lower(): value for name, value in headers}
    info = {
        "token": token,
        "name": checked(user, what, login=str)["login"],
        "expires": _expiry(found.get(_EXPIRY)),
    }
    TOKEN_CACHE["auth_info"] = info
    if cache is not None:
        text = f"{token}\n{info['name']}\n{info['expires']}\n"
        _core.store_private(_token_cache_path(cache), text)
    return dict(info)


def _ask(app_url: str | None, app_key: str | None, app_secret: str | None) -> str:
    if not _is_interactive():
        message = (
            "Running in non-interactive mode. Set the token manually using `set_access_token`."
        )
        raise GypsumError(message)
    if not app_key or not app_secret:
        what = "Failed to get access credentials from gypsum"
        with translated(what):
            _, app = _core.gypsum_request(
                site(app_url), "GET", "credentials/github-app", [], None, "", None
            )
        checked(app, what, id=str, secret=str)
        app_key, app_secret = app["id"], app["secret"]
    base = "https://github.com/login/oauth"
    return github_access_token(
        str(app_key), str(app_secret), f"{base}/authorize", f"{base}/access_token"
    )


def _expiry(text: str | None) -> float:
    """Read a time such as ``2030-01-02 03:04:05 UTC``; none means never."""
    from datetime import datetime

    if text is None:
        return float("inf")
    text = text.strip().removesuffix("UTC").rstrip()
    zone = "" if text[-5:-4] in ("+", "-") or text[-6:-5] in ("+", "-") else " +0000"
    return datetime.strptime(text + zone, "%Y-%m-%d %H:%M:%S %z").timestamp()
