"""Standard streams, which a process need not have."""

from __future__ import annotations


def is_terminal(stream: object) -> bool:
    """Say whether somebody sees what is written to a stream.

    Args:
        stream: ``sys.stderr`` or another one. Daemons have None there, and other programs closed
            ones, or writers of their own that know nothing but ``write``.

    Returns:
        Whether it says that it is a terminal.
    """
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except Exception:  # whatever a foreign stream raises
        return False
