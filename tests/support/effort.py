"""How many random cases are tried: a third at each change, all by `scripts/full random`."""

from __future__ import annotations

import os

_ALL = "SELENITE_TEST_RANDOM" in os.environ


def cases(count: int) -> int:
    """So many of `count` random cases are tried now."""
    return count if _ALL else -(-count // 3)
