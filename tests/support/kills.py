"""How often services are killed at random moments: ten times, or as `SELENITE_TEST_KILLS` says."""

from __future__ import annotations

import os

KILLS = int(os.environ.get("SELENITE_TEST_KILLS", "10"))
# All that is in a registry is checked after every kill, so a new one is begun now and then.
KILLS_EACH = 25
#: Number of each registry, and how many kills it has to bear.
ROUNDS = [
    (number, min(KILLS_EACH, KILLS - begin))
    for number, begin in enumerate(range(0, KILLS, KILLS_EACH))
]
