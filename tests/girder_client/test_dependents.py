"""What public packages take from the client is there."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import girder_client
import pytest

# Collected by scripts/girder_dependents.py.
TAKEN: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("vectors/girder_dependents.json").read_text()
)


@pytest.mark.parametrize(("module", "name"), [tuple(pair) for pair in TAKEN["names"]])
def test_names_are_there(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_members_of_clients_are_there() -> None:
    client = girder_client.GirderClient()
    assert len(TAKEN["members"]) > 15
    assert [member for member in TAKEN["members"] if not hasattr(client, member)] == []
