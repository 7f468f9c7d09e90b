"""The way back from the browser that was asked for access."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

from ._errors import GypsumError

#: Where the browser is sent to.
PORT = 1410

_LIMIT_SECONDS = 300.0


class Listener(HTTPServer):
    """A server for the one request by which the browser comes back."""

    def __init__(self, state: str) -> None:
        super().__init__(("localhost", PORT), _Handler)
        self.state = state
        self.answers: list[dict[str, str]] = []

    def wait(self) -> str:
        """Wait for the code.

        Returns:
            The code that the browser brings.

        Raises:
            GypsumError: If access is refused, or nobody comes for five minutes.
        """
        end = time.monotonic() + _LIMIT_SECONDS
        while not self.answers:
            left = end - time.monotonic()
            if left <= 0:
                message = f"Failed to access token, no answer within {_LIMIT_SECONDS:g} s"
                raise GypsumError(message)
            self.timeout = min(left, 0.5)
            self.handle_request()
        answer = self.answers[0]
        if "code" not in answer:
            reason = answer.get("error_description", answer["error"])
            message = f"Failed to access token, refused with reason: {reason}"
            raise GypsumError(message, reason=reason)
        return answer["code"]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        listener = cast(Listener, self.server)
        query = parse_qs(urlsplit(self.path).query)
        found = {name: values[0] for name, values in query.items()}
        # Whoever does not know the state was not sent by us.
        is_ours = found.get("state") == listener.state and bool({"code", "error"} & found.keys())
        text = "Done: you may close this page." if is_ours else "Nothing here."
        self.send_response(200 if is_ours else 404)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())
        if is_ours:
            listener.answers.append(found)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the request holds the code."""
