"""Who a client is to its server."""

from __future__ import annotations

import builtins
import getpass
from typing import TYPE_CHECKING

from selenite._process_lock import ProcessLock

from ._errors import AuthenticationError, HttpError

if TYPE_CHECKING:
    from typing import Any

    from . import GirderClient

_OTP = "Girder-OTP"
# Of threads whose token was refused together, the first asks for another one.
_renewing = ProcessLock()


def by_password(
    gc: GirderClient, username: str | None, password: str | None, interactive: bool, otp: str | None
) -> Any:
    """Log in by name and password.

    Args:
        gc: The client.
        username: Login or email.
        password: The password.
        interactive: Whether to ask for what is missing, and for the password in any case.
        otp: The one-time password, if the account asks for one.

    Returns:
        The document of the user.

    Raises:
        AuthenticationError: If the server refuses.
    """
    if interactive:
        if username is None:
            username = builtins.input("Login or email: ")
        password = getpass.getpass(f"Password for {username}: ")
    if username is None or password is None:
        raise Exception("A user name and password are required")
    login = (username.encode(), password.encode())
    try:
        answer = _ask(gc, login, otp)
    except HttpError as error:
        if interactive and otp is None and _OTP in error.responseText:
            answer = _asked_again(gc, login)
        else:
            raise refused(error) from None
    gc.setToken(answer["authToken"]["token"])
    gc._apiKey = None
    return answer["user"]


def _asked_again(gc: GirderClient, login: tuple[bytes, bytes]) -> Any:
    try:
        return _ask(gc, login, builtins.input("One-time password: ").strip())
    except HttpError as error:
        raise refused(error) from None


def _ask(gc: GirderClient, login: tuple[bytes, bytes], otp: str | None) -> Any:
    headers = {"Girder-Token": None, **({} if otp is None else {_OTP: str(otp)})}
    return gc.sendRestRequest("get", "user/authentication", auth=login, headers=headers)


def refused(error: HttpError) -> Exception:
    """What a failed login raises: the server's words, if it has refused the login.

    Args:
        error: Why it failed.
    """
    if error.status not in (401, 403):
        return error
    message = None
    if error.response is not None:
        try:
            message = error.response.json().get("message")
        except (ValueError, AttributeError):
            message = None  # not the server, but something before it
    return AuthenticationError(message) if message else AuthenticationError()


def by_key(gc: GirderClient, key: str) -> Any:
    """Log in by an API key, which is kept to ask for another token when this one has expired.

    Args:
        gc: The client.
        key: The key.

    Returns:
        What is known of the user: the id.
    """
    answer = gc.post("api_key/token", data={"key": key})
    gc.setToken(answer["authToken"]["token"])
    gc._apiKey = key
    return answer["user"]


def renewed(gc: GirderClient, refused: str) -> bool:
    """Have another token than one that was refused.

    Args:
        gc: The client. It can ask if it has logged in by an API key.
        refused: The token.

    Returns:
        False if there is none.
    """
    with _renewing:
        if gc._apiKey is None:
            return False
        if gc.token != refused:
            return True
        key, gc._apiKey = gc._apiKey, None  # not while it asks
        try:
            by_key(gc, key)
        except HttpError:
            return False
        finally:
            gc._apiKey = key
        return True
