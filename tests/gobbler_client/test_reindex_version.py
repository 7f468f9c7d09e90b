from __future__ import annotations

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import entry, registry_state

VERSION = ("test", "sample", "v1")


def test_the_manifest_follows_the_files(sample: Gobbler) -> None:
    sample.path(*VERSION, "a.txt").write_text("changed")
    sample.path(*VERSION, "more").write_text("more")
    sample.path(*VERSION, "deep", "b.txt").unlink()
    pyg.reindex_version(*VERSION, **sample.writer)
    assert sample.read(*VERSION, "..manifest") == {
        "a.txt": entry(b"changed"),
        "deep/er/c.txt": entry(b"gamma"),
        "more": entry(b"more"),
    }
    pyg.validate_version(*VERSION, **sample.writer)


def test_a_second_reindexing_changes_nothing(sample: Gobbler) -> None:
    pyg.reindex_version(*VERSION, **sample.writer)
    before = registry_state(sample.registry)
    pyg.reindex_version(*VERSION, **sample.writer)
    assert registry_state(sample.registry) == before


def test_a_link_out_of_the_registry_stops_it_and_changes_nothing(sample: Gobbler) -> None:
    sample.path(*VERSION, "evil").symlink_to("/etc/passwd")
    before = registry_state(sample.registry)
    with refused(500, "failed to reindex project; "):
        pyg.reindex_version(*VERSION, **sample.writer)
    assert registry_state(sample.registry) == before


def test_without_a_summary_nothing_is_changed(sample: Gobbler) -> None:
    sample.path(*VERSION, "..summary").unlink()
    sample.path(*VERSION, "more").write_text("more")
    before = registry_state(sample.registry)
    with refused(500):
        pyg.reindex_version(*VERSION, **sample.writer)
    assert registry_state(sample.registry) == before


def test_missing_things_are_named(sample: Gobbler) -> None:
    for names, reason in [
        (("nope", "sample", "v1"), "project nope does not exist"),
        (("test", "nope", "v1"), "asset nope does not exist in project test"),
        (("test", "sample", "nope"), "version nope does not exist for asset sample of project"),
    ]:
        with refused(404, reason):
            pyg.reindex_version(*names, **sample.writer)


@pytest.mark.parametrize("name", [".", "..", "a/b"])
def test_bad_names_are_refused(sample: Gobbler, name: str) -> None:
    with refused(400, "invalid version name "):
        pyg.reindex_version("test", "sample", name, **sample.writer)


def test_only_administrators_reindex(stranger: Gobbler) -> None:
    with refused(403, f"user '{USER}' is not authorized to reindex 'test'"):
        pyg.reindex_version(*VERSION, **stranger.writer)
