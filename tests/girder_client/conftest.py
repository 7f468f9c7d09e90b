"""girder_client against real servers of Girder, and against scripted ones where these cannot fail.

What needs a real server is in files named `test_real_*.py`, and left out where there is none: see
`scripts/girder`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import girder_client
import pytest
from support.girder import PYTHON, Girder, running, s3_store, use_s3

collect_ignore_glob = [] if PYTHON else ["test_real_*.py"]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def wsgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    """A server whose chunks may be of any size."""
    options = ("--least-chunk", "0", "--plugin", "hashsum_download")
    with running(tmp_path_factory.mktemp("girder") / "wsgi", *options) as server:
        yield server


@pytest.fixture(scope="session")
def asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    """A server as `girder serve` runs it."""
    with running(tmp_path_factory.mktemp("girder") / "asgi", "--asgi") as server:
        yield server


@pytest.fixture(scope="session")
def on_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    """A server that keeps its files in a store of S3."""
    folder = tmp_path_factory.mktemp("girder")
    with s3_store(folder / "store") as store, running(folder / "server") as server:
        use_s3(server, store)
        yield server


@pytest.fixture(params=["wsgi", "asgi", "on_s3"])
def server(request: pytest.FixtureRequest) -> Girder:
    """Each of them."""
    found: Girder = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def gc(wsgi: Girder) -> girder_client.GirderClient:
    """A client that is logged in as the administrator."""
    return wsgi.client()


@pytest.fixture
def folder(gc: girder_client.GirderClient) -> dict[str, Any]:
    """A folder of the test's own."""
    return new_folder(gc)


def new_folder(gc: girder_client.GirderClient) -> dict[str, Any]:
    """Make a folder that nobody else has."""
    user = gc.get("user/me")
    made: dict[str, Any] = gc.createFolder(user["_id"], f"test {next(_numbers)}", parentType="user")
    return made
