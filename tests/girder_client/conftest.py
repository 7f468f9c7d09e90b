"""girder_client against real servers of Girder, and against scripted ones where these cannot fail.

What needs a real server is in files named `test_real_*.py`, and left out where there is none: see
`scripts/girder`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.cut import cutting
from support.girder import PYTHON, Girder, running, s3_store, use_s3

collect_ignore_glob = [] if PYTHON else ["test_real_*.py"]


@pytest.fixture(scope="session")
def wsgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    """A server whose chunks may be of any size."""
    folder = tmp_path_factory.mktemp("girder") / "wsgi"
    with running(folder, "--least-chunk", "0") as server:
        yield server


@pytest.fixture(scope="session")
def asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    """A server as `girder serve` runs it, with digests of files."""
    folder = tmp_path_factory.mktemp("girder") / "asgi"
    with running(folder, "--asgi", "--plugin", "hashsum_download") as server:
        yield server


@pytest.fixture(scope="session")
def on_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Girder]:
    """A server that keeps its files in a store of S3."""
    folder = tmp_path_factory.mktemp("girder")
    with (
        s3_store(folder / "store") as url,
        cutting(url) as store,
        running(folder / "server") as server,
    ):
        use_s3(server, store.url)
        yield replace(server, store=store)


@pytest.fixture(params=["wsgi", "asgi", "on_s3"])
def server(request: pytest.FixtureRequest) -> Girder:
    """Each of them."""
    found: Girder = request.getfixturevalue(request.param)
    return found
