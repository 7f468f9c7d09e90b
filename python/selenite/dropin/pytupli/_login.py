"""The login that all clients of one keyring share: its tokens, and when they are renewed."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from selenite import _settings

from . import _keys, _locking
from ._errors import TupliStorageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

NO_LOGIN = "No refresh token available. Please login first."
# A token that is over so soon might be when it arrives.
_MARGIN_SECONDS = 10.0
# What an upload is expected to make at least, in bytes per second.
_SLOW = 1_000_000
_LARGE = 64 << 20
# How long tokens last, of those that somebody else has asked for.
_USUAL_SECONDS = 1800.0
# How long the token lasts that this process has got, by its end.
_lives: dict[float, float] = {}


def access() -> str | None:
    """The token that requests carry."""
    return _keys.get("access_token") or _settings.tupli_token()


def refresh() -> str | None:
    """The token that gets new ones."""
    return _keys.get("refresh_token")


def keep(access: str, refresh: str, base: str) -> None:
    """Keep the tokens of a login.

    Args:
        access: The token that requests carry.
        refresh: The token that gets new ones.
        base: Address of the service.
    """
    with locked():
        keep_access(access)
        _keys.put("refresh_token", refresh)
        _keys.put("token_origin", f"{origin(base)}#{_mark(refresh)}")


def keep_access(token: str) -> None:
    """Keep a new token that requests carry.

    Args:
        token: The token.
    """
    end = expiry(token)
    if end is not None:
        _lives.clear()
        _lives[end] = max(0.0, end - time.time())
    _keys.put("access_token", token)


def forget(refused: str) -> None:
    """Remove the tokens, unless somebody has logged in again.

    Args:
        refused: The token that gets no new ones any more.
    """
    if refresh() == refused:
        for name in ("access_token", "refresh_token", "token_origin"):
            _keys.drop(name)


def origin(url: str) -> str:
    """Scheme, host and port of a URL; all of what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname}:{port}"


def check_origin(url: str) -> None:
    """Make sure that tokens are sent to nobody but the service that they are of.

    Args:
        url: Where they would be sent.

    Raises:
        TupliStorageError: If the login was made elsewhere.
    """
    stored = _keys.get("token_origin")
    if stored is None:
        return
    place, _, mark = stored.partition("#")
    token = refresh()
    # The original logs in without a word about where.
    is_known = not mark or (token is not None and mark == _mark(token))
    if is_known and place != origin(url):
        message = (
            f"Request failed: the login is one of {place}, not of {origin(url)}. "
            "Please login again."
        )
        raise TupliStorageError(message)


def _mark(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def claims(token: str) -> dict[str, Any]:
    """What a token says, unchecked; nothing if it cannot be read.

    Args:
        token: A JSON Web Token.
    """
    try:
        part = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def user(token: str) -> str | None:
    """Whose token it is; None if that cannot be read."""
    name = claims(token).get("issuer")
    return name if isinstance(name, str) else None


def expiry(token: str) -> float | None:
    """When a token is over, in seconds since 1970; None if that cannot be read."""
    end = claims(token).get("exp")
    return float(end) if isinstance(end, int | float) and not isinstance(end, bool) else None


def is_over(token: str) -> bool:
    """Say whether a token is certainly refused."""
    end = expiry(token)
    return end is not None and end <= time.time()


def is_short(token: str, size: int = 0) -> bool:
    """Say whether a token may be over before a request has come to the service.

    Args:
        token: The token.
        size: Bytes that are sent; the service looks at the token after them.
    """
    end = expiry(token)
    if end is None:
        return False
    left = end - time.time()
    life = _lives.get(end, max(left, _USUAL_SECONDS))
    # Tokens that last for seconds only would otherwise never be good enough.
    needed = max(min(_MARGIN_SECONDS, life / 2), min(size / _SLOW, life * 0.9))
    return left < needed or (size > _LARGE and left < life / 2)


def locked() -> AbstractContextManager[None]:
    """Let one thread of one of the user's processes at a time renew the login."""
    return _locking.locked("pytupli")
