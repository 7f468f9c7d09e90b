"""Every recorded scenario of the original service, replayed byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import replay
from support.service import COMMAND

VECTORS = sorted(Path(__file__).parents[1].joinpath("vectors", "gobbler").glob("*.json"))
LINE = "-staging {staging} -registry {registry} -port {port} {admin}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_recorded_scenario(vector: Path) -> None:
    scenario: dict[str, Any] = json.loads(vector.read_text())
    service = replay.Service(f"{COMMAND} serve gobbler {LINE}")
    try:
        problems = replay.replay(scenario, service, strict=True)
    except replay.SkippedError as reason:
        pytest.skip(str(reason))
    assert [f"step {number} ({title}): {what}" for number, title, what in problems] == []


def test_all_scenarios_are_there() -> None:
    assert len(VECTORS) == 22
