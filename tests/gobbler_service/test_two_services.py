"""A registry that a gypsum service changes too: what is still uploaded there does not count."""

from __future__ import annotations

from pathlib import Path

from support import gypsum
from support.service import Service


def test_an_open_upload_counts_for_nothing_and_stays_open(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    with gypsum.server(registry) as running, Service(tmp_path, registry=registry) as service:
        api, gobbler = gypsum.api(running), service.gobbler
        api.create("p")
        for version in ("v1", "v2"):
            api.upload(f"p/a/{version}", {"f": version.encode()})
        session = api.session("p/a/v3", [gypsum.entry("f", b"longer")])
        assert session.put(b"longer").status == 200

        def ask(action: str, **names: object) -> object:
            answer = gobbler.request(action, {"project": "p", **names})
            assert answer.status == 200, (action, answer.body)
            return answer.json()

        assert ask("refresh_usage") == {"status": "SUCCESS", "total": 4}
        assert ask("refresh_latest", asset="a") == {"status": "SUCCESS", "version": "v2"}
        names = {"project": "p", "asset": "a", "version": "v3"}
        refused = gobbler.request("delete_version", names)
        assert (refused.status, refused.reason) == (400, "version v3 is still being uploaded")
        ask("delete_version", asset="a", version="v2")
        assert gobbler.read("p", "a", "..latest") == {"version": "v1"}
        assert ask("reroute_links", to_delete=[{"project": "p", "asset": "a", "version": "v1"}])

        assert session.complete().status == 200
        assert gobbler.read("p", "a", "..latest") == {"version": "v3"}
        assert ask("refresh_usage") == {"status": "SUCCESS", "total": 8}
        ask("delete_version", asset="a", version="v3")
        assert gobbler.read("p", "..usage") == {"total": 2}
