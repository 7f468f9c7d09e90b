"""Who is asked, over which connections, and by whose name."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pangea_api import Knex, Organization, SampleGroup
from support.pangea import Pangea


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The connections that servers of the test have accepted, by their ports."""
    found: list[tuple[str, int]] = []
    setup = BaseHTTPRequestHandler.setup

    def counting(self: Any) -> None:
        found.append((self.server.server_address[0], self.server.server_address[1]))
        setup(self)

    monkeypatch.setattr(BaseHTTPRequestHandler, "setup", counting)
    return found


def test_requests_share_a_connection_and_go_where_things_are(
    accepted: list[tuple[str, int]], service: Pangea, library: SampleGroup
) -> None:
    accepted.clear()
    service.seen.clear()
    knex = Knex(service.url)
    knex.add_auth_token(str(library.knex.auth))
    same = Organization(knex, "Org").get().sample_group("Lib").get()
    for number in range(10):
        same.sample(f"s{number}").idem()
    for number in range(10):
        assert not same.sample(f"none {number}").exists()
    asked = [path for method, path, _ in service.seen if method == "GET"]
    assert len(asked) >= 20
    # A path without its slash would be answered by where the right one is.
    assert all(path.partition("?")[0].endswith("/") for path in asked if "/nested/" in path)
    # After a pause, what must not be sent twice gets a new one.
    assert len(accepted) <= len(service.seen) // 8


def test_the_users_file_of_logins_is_for_others(
    service: Pangea, library: SampleGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the service nor the store sees them: a store refuses what is signed twice."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "data"
    path.write_bytes(b"content" * 100)
    field = library.sample("s").idem().analysis_result("m").idem().field("f").idem()
    store = service.store
    assert store is not None
    field.upload_small_file(str(path))
    field.upload_large_file(str(path), 700, chunk_size=300)
    assert Path(field.download_file()).read_bytes() == path.read_bytes()
    del field.stored_data["presigned_url"]
    assert Path(field.download_file(cache=False)).read_bytes() == path.read_bytes()
    assert {method for method, _, _ in store.seen} == {"GET", "POST", "PUT"}
    agents: dict[bool, list[str]] = {True: [], False: []}
    for method, _, headers in store.seen:
        assert "Authorization" not in headers
        is_small = headers.get("Range") == "bytes=0-0"
        agents[is_small].append(f"{method} {headers['User-Agent']}")
    # What asks how large a file is goes by `requests`, the contents by the core.
    assert len(agents[False]) == 1 + 3 + 2
    assert all(one.endswith(" (pangea_api/0.9.24)") for one in agents[False])
