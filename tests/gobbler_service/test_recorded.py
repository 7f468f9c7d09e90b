"""Every recorded scenario of the original service, replayed byte for byte.

Where the words of a parser are not ours, `support/wording.py` says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import replay
from support.service import COMMAND
from support.wording import OWN_WORDS, with_recorded_words

VECTORS = sorted(Path(__file__).parents[1].joinpath("vectors", "gobbler").glob("*.json"))
LINE = "-staging {staging} -registry {registry} -port {port} {admin}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_recorded_scenario(vector: Path) -> None:
    scenario: dict[str, Any] = json.loads(vector.read_text())
    service = replay.Service(f"{COMMAND} serve gobbler {LINE}")
    try:
        problems = replay.replay(scenario, service, strict=True, relax=with_recorded_words)
    except replay.SkippedError as reason:
        pytest.skip(str(reason))
    assert [f"step {number} ({title}): {what}" for number, title, what in problems] == []


def test_all_scenarios_are_there() -> None:
    assert len(VECTORS) == 22


def test_every_wording_of_the_list_is_recorded() -> None:
    scenarios = [json.loads(vector.read_text()) for vector in VECTORS]
    steps = {
        (scenario["name"], step.get("title"))
        for scenario in scenarios
        for step in scenario["steps"]
    }
    assert OWN_WORDS.keys() <= steps
