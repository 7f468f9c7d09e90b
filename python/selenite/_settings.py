"""Settings that the environment makes, read when they are needed. The core reads the others."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from selenite._exceptions import InvalidArgumentError

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def progress_mode() -> bool | None:
    """Say whether progress bars are wanted (``SELENITE_PROGRESS``).

    Returns:
        True for ``on``, False for ``off``, None for ``auto`` or if nothing is set: a bar on
        terminals, a line in the log elsewhere.

    Raises:
        InvalidArgumentError: If the variable has another value.
    """
    value = os.environ.get("SELENITE_PROGRESS", "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    if value in {"", "auto"}:
        return None
    raise _bad("SELENITE_PROGRESS", value, "expected `auto`, `on` or `off`")


def gobbler_binary() -> str | None:
    """Say which Gobbler service is to be started (``SELENITE_GOBBLER_BINARY``).

    Returns:
        An executable, None for the embedded service.

    Raises:
        InvalidArgumentError: If there is no such executable.
    """
    value = os.environ.get("SELENITE_GOBBLER_BINARY", "").strip()
    if not value:
        return None
    import shutil

    if shutil.which(value) is None:
        raise _bad("SELENITE_GOBBLER_BINARY", value, "there is no such executable")
    return value


def originals(known: Collection[str]) -> Collection[str]:
    """Say of which packages the originals are to be imported (``SELENITE_DROPIN``).

    Args:
        known: Names of all packages that have a drop-in.

    Returns:
        The names that the variable lists, all of them for ``original``, none if nothing is set.

    Raises:
        InvalidArgumentError: If the variable has another value.
    """
    value = os.environ.get("SELENITE_DROPIN", "").strip()
    if value.lower() == "original":
        return known
    names = [name.strip().replace("-", "_") for name in value.split(",") if name.strip()]
    for name in names:
        if name not in known:
            listed = ", ".join(f"`{one}`" for one in known)
            raise _bad("SELENITE_DROPIN", value, f"expected `original` or names out of {listed}")
    return names


def _bad(name: str, value: str, why: str) -> InvalidArgumentError:
    from selenite._exceptions import InvalidArgumentError

    shown = value.encode(errors="backslashreplace").decode()
    return InvalidArgumentError(f"invalid {name} `{shown}`: {why}", name, shown)
