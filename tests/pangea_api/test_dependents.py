"""What public packages take from the client is there."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pangea_api
import pytest

# Collected by scripts/pangea_dependents.py.
TAKEN: dict[str, Any] = json.loads(
    Path(__file__).parents[1].joinpath("vectors/pangea_dependents.json").read_text()
)


@pytest.mark.parametrize(("module", "name"), [tuple(pair) for pair in TAKEN["names"]])
def test_names_are_there(module: str, name: str) -> None:
    if name == "*":
        assert all(hasattr(pangea_api, one) for one in pangea_api.__all__)
    else:
        assert hasattr(importlib.import_module(module), name)
