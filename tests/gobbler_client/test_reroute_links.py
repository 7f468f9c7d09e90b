from __future__ import annotations

import os
from collections.abc import Callable

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import Tree, entry, link, registry_state

Build = Callable[[Tree], str]


@pytest.fixture
def chain(sample: Gobbler, source: Build) -> Gobbler:
    """Three versions with one file in common, each a link to the one before."""
    for version in ("v2", "v3"):
        tree: Tree = {"a.txt": "alpha", "own": version}
        pyg.upload_directory("test", "sample", version, source(tree), **sample.writer)
    return sample


def test_links_to_a_version_that_will_go_become_copies(chain: Gobbler) -> None:
    gone = [{"project": "test", "asset": "sample", "version": "v1"}]
    changes = pyg.reroute_links(gone, **chain.writer)
    assert changes == [
        {
            "copy": True,
            "path": "test/sample/v2/a.txt",
            "source": "test/sample/v1/a.txt",
            "usage": 5,
        },
        {
            "copy": False,
            "path": "test/sample/v3/a.txt",
            "source": "test/sample/v1/a.txt",
            "usage": 0,
        },
    ]
    usage = pyg.fetch_usage("test", **chain.local)
    pyg.remove_version("test", "sample", "v1", **chain.writer)
    assert usage == len("alphabetagamma") + 4 + 5
    for version in ("v2", "v3"):
        pyg.validate_version("test", "sample", version, **chain.writer)
        assert chain.path("test", "sample", version, "a.txt").read_text() == "alpha"
    assert chain.read("test", "sample", "v2", "..manifest")["a.txt"] == entry(b"alpha")
    assert os.readlink(chain.path("test", "sample", "v3", "a.txt")) == "../v2/a.txt"
    assert chain.read("test", "sample", "v3", "..manifest")["a.txt"]["link"] == link(
        "test", "sample", "v2", "a.txt"
    )


IN_V2 = "".join(
    f'failed to reroute links of {kind} "{name}"; '
    for kind, name in (("project", "test"), ("asset", "sample"), ("version", "v2"))
)


@pytest.mark.parametrize(
    ("harmed", "reason"),
    [
        (("v2", "..manifest"), "failed to read manifest at "),
        (("v1", "a.txt"), "cannot copy "),
    ],
)
def test_a_failure_names_the_version_that_it_is_about(
    chain: Gobbler, harmed: tuple[str, str], reason: str
) -> None:
    chain.path("test", "sample", *harmed).write_text("harm")
    before = registry_state(chain.registry)
    gone = [{"project": "test", "asset": "sample", "version": "v1"}]
    with refused(500, IN_V2 + reason):
        pyg.reroute_links(gone, **chain.writer)
    assert registry_state(chain.registry) == before


def test_a_dry_run_changes_nothing(chain: Gobbler) -> None:
    before = registry_state(chain.registry)
    gone = [{"project": "test", "asset": "sample", "version": "v1"}]
    planned = pyg.reroute_links(gone, dry_run=True, **chain.writer)
    assert registry_state(chain.registry) == before
    assert planned == pyg.reroute_links(gone, **chain.writer)


def test_nothing_lost_means_no_changes(chain: Gobbler) -> None:
    assert pyg.reroute_links([], **chain.writer) == []
    assert pyg.reroute_links([{"project": "test"}], **chain.writer) == []
    last = [{"project": "test", "asset": "sample", "version": "v3"}]
    assert pyg.reroute_links(last, **chain.writer) == []


def test_a_version_needs_its_asset(chain: Gobbler) -> None:
    with refused(400, "'version' requires the 'asset' to be specified in "):
        pyg.reroute_links([{"project": "test", "version": "v1"}], **chain.writer)


def test_a_missing_project_is_an_error(chain: Gobbler) -> None:
    with refused(500):
        pyg.reroute_links([{"project": "nope"}], **chain.writer)


def test_only_administrators_reroute(stranger: Gobbler) -> None:
    with refused(403, f'user "{USER}" is not authorized to delete a project'):
        pyg.reroute_links([{"project": "test"}], **stranger.writer)
