"""Settings that the environment makes, read when they are needed."""

from __future__ import annotations

import os

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def progress_mode() -> bool | None:
    """Say whether progress bars are wanted (``SELENITE_PROGRESS``).

    Returns:
        True for ``on``, False for ``off``, None for ``auto`` or if nothing is set: a bar on
        terminals, a line in the log elsewhere.

    Raises:
        ValueError: If the variable has another value.
    """
    value = os.environ.get("SELENITE_PROGRESS", "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    if value in {"", "auto"}:
        return None
    message = f"invalid SELENITE_PROGRESS `{value}`: expected `auto`, `on` or `off`"
    raise ValueError(message)
