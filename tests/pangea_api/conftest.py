"""pangea_api against a service in memory that does what the real one does.

`test_service.py` compares that service with recorded exchanges, the other files test the client.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pangea_api import Knex, Organization, Sample, SampleGroup
from support.pangea import Pangea, running

collect_ignore = [] if os.environ.get("SELENITE_S3_SERVER") else ["test_store.py"]
cache_module = importlib.import_module("pangea_api.file_system_cache")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is in the working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(cache_module, "CACHE_DIR", ".")
    monkeypatch.delenv("USE_PANGEA_CACHE", raising=False)


@pytest.fixture
def service() -> Iterator[Pangea]:
    with running() as service:
        yield service


@pytest.fixture
def knex(service: Pangea) -> Knex:
    """Asks as a user."""
    knex = Knex(service.url)
    knex.add_auth_token(service.sign_up("owner@example.org"))
    return knex


@pytest.fixture
def org(knex: Knex) -> Organization:
    made: Organization = Organization(knex, "Org").create()
    return made


@pytest.fixture
def library(service: Pangea, knex: Knex, org: Organization) -> SampleGroup:
    """A library with a bucket."""
    bucket = {"name": "bkt", "endpoint_url": service.s3, "organization": org.uuid}
    made = SampleGroup(knex, org, "Lib", is_library=True)
    made.bucket = knex.post("s3_buckets", json=bucket)["uuid"]
    made.create()
    return made


@pytest.fixture
def sample(library: SampleGroup) -> Sample:
    made: Sample = library.sample("S").create()
    return made
