"""What terminals show."""

from __future__ import annotations

import os


def shown_on(terminal: int) -> str:
    """Read all that a terminal shows; its other end must be closed, or be some process's alone."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as seen:
        while True:
            try:
                more = seen.read(4096)
            except OSError:
                break  # as Linux ends a terminal
            if not more:
                break
            shown += more
    return shown.decode().replace("\r\n", "\n")
