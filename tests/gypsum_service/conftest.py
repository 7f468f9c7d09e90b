"""The gypsum service over HTTP and as a command: recorded scenarios, rights, faults, kills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import gypsum
from support.gypsum import Api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A service with an empty registry."""
    with gypsum.server(tmp_path / "registry") as running:
        yield gypsum.api(running)


@pytest.fixture
def project(api: Api) -> Api:
    """A service with the project `p`, owned by alice."""
    api.create("p")
    return api
