"""Every recorded scenario of the original backend, with its defects corrected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenite.testing import GypsumServer
from support import gypsum
from support.gypsum_replay import Replay

VECTORS = sorted(Path(__file__).parents[1].joinpath("vectors", "gypsum").glob("*.json"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GypsumServer]:
    """One service for all: it must see what is changed in its registry behind its back."""
    with gypsum.server(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_recorded_scenario(vector: Path, running: GypsumServer) -> None:
    scenario = json.loads(vector.read_text())
    assert Replay(running.url, Path(running.registry)).run(scenario) == []


def test_all_scenarios_are_there() -> None:
    assert len(VECTORS) == 28
