"""Access tokens from GitHub, by way of a browser."""

from __future__ import annotations

from selenite import _core

from ._errors import GypsumError, translated
from .config import REQUESTS_MOD

__all__ = ["AUTH_CODE", "REQUESTS_MOD", "github_access_token"]

#: The code that the browser has brought, until it is exchanged.
AUTH_CODE: str | None = None


def github_access_token(
    client_id: str, client_secret: str, authorization_url: str, token_url: str
) -> str:
    """Let the user grant access in a browser, and exchange the grant for a token.

    Args:
        client_id: Identifier of the application.
        client_secret: Its secret.
        authorization_url: Where the user grants access.
        token_url: Where grants are exchanged.

    Returns:
        The token.

    Raises:
        GypsumError: If access is refused, not granted within five minutes, or not exchanged.

    Example:
        >>> github_access_token("id", "secret", "http://x/", "http://x/")  # doctest: +SKIP
        'gho_...'
    """
    global AUTH_CODE
    import json
    import secrets
    import webbrowser
    from urllib.parse import urlencode

    from ._listener import PORT, Listener

    state = secrets.token_urlsafe(24)
    address = f"http://localhost:{PORT}"
    question = urlencode({"client_id": client_id, "redirect_uri": address, "state": state})
    with Listener(state) as listener:
        webbrowser.open(f"{authorization_url}?{question}")
        AUTH_CODE = listener.wait()
    grant = {"client_id": client_id, "client_secret": client_secret, "code": AUTH_CODE}
    AUTH_CODE = None  # it is good for one exchange
    site = (token_url, REQUESTS_MOD.get("verify", True))
    what = "Failed to access token"
    with translated(what):
        _, answer = _core.gypsum_request(site, "POST", "", [], None, json.dumps(grant), None)
    if not isinstance(answer, dict) or "access_token" not in answer:
        told = answer if isinstance(answer, dict) else {}
        reason = told.get("error_description") or told.get("error") or "no token in the answer"
        for secret in (client_secret, grant["code"]):
            reason = str(reason).replace(secret or "***", "***")
        message = f"{what}, 200 and reason: {reason}"
        raise GypsumError(message, 200, str(reason))
    return str(answer["access_token"])
