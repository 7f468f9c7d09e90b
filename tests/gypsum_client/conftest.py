"""`gypsum_client`, one file for each part: a service, a cache, and settings of each test's own."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gypsum_client as gyp
import pytest
from support import bucket as support
from support.bucket import Gypsum
from support.tree import Tree, make

STATE = {
    "gypsum_client.auth": ["TOKEN_CACHE"],
    "gypsum_client.config": ["REQUESTS_MOD"],
    "gypsum_client.fetch_metadata_database": ["LAST_CHECK"],
    "gypsum_client.s3_config": ["CREDS_CACHE"],
}
SETTINGS = {
    "gypsum_client.rest_url": "CURRENT_REST_URL",
    "gypsum_client.cache_directory": "CURRENT_CACHE_DIRECTORY",
}


# As they are before the first test, here or elsewhere, has changed them.
INITIAL = {
    (module, name): copy.deepcopy(getattr(sys.modules[module], name))
    for module, names in STATE.items()
    for name in names
}


def reset() -> None:
    """Bring the modules into the state that they have after the import."""
    for (module, name), value in INITIAL.items():
        state = getattr(sys.modules[module], name)
        state.clear()
        state.update(copy.deepcopy(value))
    for module, name in SETTINGS.items():
        vars(sys.modules[module]).pop(name, None)


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """The state of the modules as after the import."""
    reset()
    yield
    reset()


@pytest.fixture
def empty() -> Iterator[Gypsum]:
    """A service with nothing in it."""
    with support.serving() as service:
        yield service


@pytest.fixture
def gypsum(empty: Gypsum, tmp_path: Path) -> Gypsum:
    """A service with three versions of `test-R/basic`."""
    support.fill(empty, tmp_path / "basic")
    return empty


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that is empty at first."""
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Callable[[Tree], Path]:
    """Make a directory to upload."""
    made = 0

    def build(tree: Tree) -> Path:
        nonlocal made
        made += 1
        return make(tmp_path / f"source-{made}", tree)

    return build


@pytest.fixture
def anybody(empty: Gypsum, source: Callable[[Tree], Path]) -> Callable[..., None]:
    """Upload a tree as a version of `p/a`, a project that is made with the first one."""

    def put(version: str, tree: Tree, **settings: object) -> None:
        if "p" not in gyp.list_projects(url=empty.url):
            gyp.create_project("p", owners="alice", **empty.writer)
        support.upload(empty, source(tree), "p", "a", version, **settings)

    return put
