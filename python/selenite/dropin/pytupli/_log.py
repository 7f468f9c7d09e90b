"""The logger of the package, under the name that the original's has."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging


def logger() -> logging.Logger:
    """The logger. `logging` is imported when there is something to say."""
    import logging

    return logging.getLogger(f"{__package__}.storage")
