"""Access tokens from GitHub, by way of a browser."""

from __future__ import annotations

from selenite import _core

from gypsum_client._errors import GypsumError, translated
from gypsum_client.config import REQUESTS_MOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUTH_CODE", "REQUESTS_MOD", "github_access_token"]

#: The code that the browser has brought, until it is exchanged.
AUTH_CODE: str | None = None

_PORT = 1410
_LIMIT_SECONDS = 300.0


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

    state = secrets.token_urlsafe(24)
    address = f"http://localhost:{_PORT}"
    question = urlencode({"client_id": client_id, "redirect_uri": address, "state": state})
    with _Listener(state) as listener:
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
        message = f"{what}, 200 and reason: {reason}"
        raise GypsumError(message, 200, str(reason))
    return str(answer["access_token"])


class _Listener:
    """A server for the one request by which the browser comes back."""

    def __init__(self, state: str) -> None:
        from http.server import BaseHTTPRequestHandler, HTTPServer
        from urllib.parse import parse_qs, urlsplit

        answers: list[Mapping[str, str]] = []

        class _Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                found = {name: values[0] for name, values in query.items()}
                # Whoever does not know the state was not sent by us.
                is_ours = found.get("state") == state and bool({"code", "error"} & found.keys())
                text = "Done: you may close this page." if is_ours else "Nothing here."
                self.send_response(200 if is_ours else 404)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(text.encode())
                if is_ours:
                    answers.append(found)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the request holds the code."""

        self._answers = answers
        self._server = HTTPServer(("localhost", _PORT), _Handler)

    def __enter__(self) -> _Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self) -> str:
        import time

        end = time.monotonic() + _LIMIT_SECONDS
        while not self._answers:
            left = end - time.monotonic()
            if left <= 0:
                message = f"Failed to access token, no answer within {_LIMIT_SECONDS:g} s"
                raise GypsumError(message)
            self._server.timeout = min(left, 0.5)
            self._server.handle_request()
        answer = self._answers[0]
        if "code" not in answer:
            reason = answer.get("error_description", answer["error"])
            message = f"Failed to access token, refused with reason: {reason}"
            raise GypsumError(message, reason=reason)
        return answer["code"]
