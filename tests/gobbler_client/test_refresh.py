"""`refresh_latest` and `refresh_usage`."""

from __future__ import annotations

import pygobbler as pyg
from support.errors import refused
from support.service import USER, Gobbler


def test_the_latest_version_is_found_again(sample: Gobbler) -> None:
    sample.path("test", "sample", "..latest").unlink()
    assert pyg.refresh_latest("test", "sample", **sample.writer) == "v1"
    assert sample.read("test", "sample", "..latest") == {"version": "v1"}


def test_without_versions_there_is_no_latest(sample: Gobbler) -> None:
    pyg.remove_version("test", "sample", "v1", **sample.writer)
    assert pyg.refresh_latest("test", "sample", **sample.writer) is None
    assert not sample.path("test", "sample", "..latest").exists()


def test_usage_is_counted_again(sample: Gobbler) -> None:
    sample.path("test", "..usage").write_text('{"total": 999}')
    found = pyg.refresh_usage("test", **sample.writer)
    assert found == len("alphabetagamma")
    assert isinstance(found, int)
    assert sample.read("test", "..usage") == {"total": found}


def test_missing_things_are_named(sample: Gobbler) -> None:
    with refused(404, "project nope does not exist"):
        pyg.refresh_usage("nope", **sample.writer)
    with refused(404, "asset nope does not exist in project test"):
        pyg.refresh_latest("test", "nope", **sample.writer)


def test_only_administrators_refresh(stranger: Gobbler) -> None:
    reason = f'user "{USER}" is not authorized to refresh the latest version '
    with refused(403, reason):
        pyg.refresh_latest("test", "sample", **stranger.writer)
    with refused(403, reason):
        pyg.refresh_usage("test", **stranger.writer)
