"""Arguments brought into the form that a service wants, and answers into that of Python."""

from __future__ import annotations

import sys

from selenite import _arguments

from ._defaults import base_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from selenite._arguments import _Uploaders


def _remove_slash_url(url: str) -> str:
    """Drop slashes from the end of a URL, and what is blank around it."""
    return base_of(url)


def _sanitize_path(x: str) -> str:
    """Make one slash of several, and on Windows of backslashes."""
    if sys.platform == "win32":
        x = x.replace("\\", "/")
    while "//" in x:
        x = x.replace("//", "/")
    return x


def _cast_datetime(x: str) -> datetime:
    """Read a time; the result is UTC without a zone and without fractions of a second."""
    from datetime import UTC, datetime

    time = datetime.fromisoformat(x)
    if time.tzinfo is not None:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None, microsecond=0)


def _sanitize_uploaders(uploaders: _Uploaders | None) -> list[dict[str, Any]]:
    """Copy uploaders, with times as the service wants them."""
    copies = _arguments.uploaders(uploaders or [])
    for copy in copies:
        if copy.get("until") is not None:
            copy["until"] = _arguments.utc_text(copy["until"], "until")
    return copies
