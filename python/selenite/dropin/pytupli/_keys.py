"""Where the login is kept: in the user's keyring, or in this process where there is none."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from selenite._needing import needing
from selenite._process_lock import ProcessLock

from ._log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

SERVICE = "pytupli"
# What a keyring could not keep, of each keyring of this process.
_held: dict[tuple[int, str], str] = {}
# Their keyrings, so that no other one gets the same id; and those that were warned of.
_failing: dict[int, Any] = {}
_asking = ProcessLock()


def get(name: str) -> str | None:
    """Read an entry.

    Args:
        name: Its user name.
    """
    keyring = _keyring()
    place = (id(_backend(keyring)), name)
    if place in _held:
        return _held[place]
    try:
        with _unasked():
            return keyring.get_password(SERVICE, name) or None
    except Exception as error:
        _warn(keyring, error)
        return None


def put(name: str, value: str) -> None:
    """Keep an entry, in this process if the keyring cannot.

    Args:
        name: Its user name.
        value: What is kept.
    """
    keyring = _keyring()
    place = (id(_backend(keyring)), name)
    try:
        with _unasked():
            keyring.set_password(SERVICE, name, value)
            is_kept = keyring.get_password(SERVICE, name) == value
        if not is_kept:
            _warn(keyring, None)
    except Exception as error:
        _warn(keyring, error)
        is_kept = False
    if is_kept:
        _held.pop(place, None)
    else:
        _held[place] = value


def drop(name: str) -> None:
    """Remove an entry, if it is there.

    Args:
        name: Its user name.
    """
    keyring = _keyring()
    is_held = _held.pop((id(_backend(keyring)), name), None) is not None
    try:
        with _unasked():
            keyring.delete_password(SERVICE, name)
    except Exception as error:
        is_absent = isinstance(error, keyring.errors.PasswordDeleteError)
        if not is_absent and not is_held:
            _warn(keyring, error)


def _keyring() -> Any:
    with needing("pytupli", "keyring", "selenite[tupli]"):
        import keyring
        import keyring.errors
    return keyring


def _backend(keyring: Any) -> Any:
    """The keyring that is asked; None if even that cannot be found out."""
    try:
        return keyring.get_keyring()
    except Exception:  # the call that follows fails as well, and is told of
        return None


def _warn(keyring: Any, error: Exception | None) -> None:
    """Say once of a keyring that it fails."""
    backend = _backend(keyring)
    if id(backend) in _failing:
        return
    _failing[id(backend)] = backend
    # Not the text of the error: whatever a keyring says might hold what it was to keep.
    why = "keeps nothing" if error is None else f"fails ({type(error).__name__})"
    logger().warning(
        "the keyring (%s) %s: address and login are kept for this process alone",
        *(type(backend).__name__, why),
    )


@contextmanager
def _unasked() -> Iterator[None]:
    """Let no keyring ask for a password where nobody could give one."""
    if sys.stdin is not None and sys.stdin.isatty():
        yield
        return
    with _asking:
        before = getpass.getpass
        getpass.getpass = _refuse
        try:
            yield
        finally:
            getpass.getpass = before


def _refuse(*_: object, **__: object) -> NoReturn:
    message = "the keyring is locked, and there is no terminal to ask for its password on"
    raise OSError(message)
