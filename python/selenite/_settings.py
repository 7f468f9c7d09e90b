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


def is_log_wanted() -> bool:
    """Say whether records are to be shown (``SELENITE_LOG``); the core knows its values."""
    return os.environ.get("SELENITE_LOG", "").strip().lower() not in {"", "off"}


def verification() -> str:
    """Say what is compared with manifests (``SELENITE_VERIFY``); the core knows its values."""
    return os.environ.get("SELENITE_VERIFY", "").strip().lower() or "download"


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


def timeout(default: float = 60.0) -> float:
    """Say how long nothing may come, in seconds (``SELENITE_TIMEOUT``).

    Args:
        default: What holds if nothing is set.

    Raises:
        InvalidArgumentError: If the variable has a value that it cannot have.
    """
    return _seconds("SELENITE_TIMEOUT", default)


def connect_timeout() -> float:
    """Say how long it may take to connect, in seconds (``SELENITE_CONNECT_TIMEOUT``).

    Raises:
        InvalidArgumentError: If the variable has a value that it cannot have.
    """
    return _seconds("SELENITE_CONNECT_TIMEOUT", 10.0)


def retries(default: int = 4) -> int:
    """Say how often to try again what may be sent twice (``SELENITE_RETRIES``).

    Args:
        default: What holds if nothing is set.

    Raises:
        InvalidArgumentError: If the variable has a value that it cannot have.
    """
    return _number("SELENITE_RETRIES", 0, "expected a whole number", default)


def jobs(default: int) -> int:
    """Say how many transfers go on at once (``SELENITE_JOBS``).

    Args:
        default: What holds if nothing is set.

    Raises:
        InvalidArgumentError: If the variable has a value that it cannot have.
    """
    return _number("SELENITE_JOBS", 1, "expected a whole number above 0", default)


def is_offline() -> bool:
    """Say whether all requests are forbidden (``SELENITE_OFFLINE``).

    Raises:
        InvalidArgumentError: If the variable has a value that it cannot have.
    """
    value = os.environ.get("SELENITE_OFFLINE", "").strip()
    if value.lower() in _TRUE:
        return True
    if value.lower() in {"", *_FALSE}:
        return False
    raise _bad("SELENITE_OFFLINE", value, "expected `1` or `0`")


def tupli_url() -> str | None:
    """Say where PyTupli's service is if the keyring does not (``SELENITE_TUPLI_URL``)."""
    return os.environ.get("SELENITE_TUPLI_URL", "").strip() or None


def tupli_token() -> str | None:
    """Give the token for PyTupli's service if the keyring has none (``SELENITE_TUPLI_TOKEN``)."""
    return os.environ.get("SELENITE_TUPLI_TOKEN", "").strip() or None


def _seconds(name: str, default: float) -> float:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        found = float(value)
    except ValueError:
        found = 0.0
    if not 0.0 < found < float("inf"):
        raise _bad(name, value, "expected a number of seconds above 0")
    return found


def _number(name: str, least: int, what: str, default: int) -> int:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and int(value) >= least):
        raise _bad(name, value, what)
    return int(value)


def _bad(name: str, value: str, why: str) -> InvalidArgumentError:
    from selenite._exceptions import InvalidArgumentError

    shown = value.encode(errors="backslashreplace").decode()
    return InvalidArgumentError(f"invalid {name} `{shown}`: {why}", name, shown)
