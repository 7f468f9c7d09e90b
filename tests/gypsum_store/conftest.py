"""A real S3 server, and gypsum services whose objects are there.

`SELENITE_S3_SERVER` names the executable of `s3s-fs` (`cargo install s3s-fs --features binary`);
without it this folder is not collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import gypsum
from support.gypsum import Api
from support.s3 import Store, serving


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with serving(tmp_path) as store:
        yield store


@pytest.fixture
def api(store: Store) -> Iterator[Api]:
    """A service whose objects are in the bucket."""
    with gypsum.server(store=store.place, s3_credentials=store.credentials) as running:
        yield Api(running.url, store.directory)


@pytest.fixture
def project(api: Api) -> Api:
    """A service with the project `p`, owned by alice."""
    api.create("p")
    return api
