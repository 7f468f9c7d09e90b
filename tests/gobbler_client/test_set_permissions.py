from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import USER, Gobbler
from support.tree import Tree, registry_state


def permissions(gobbler: Gobbler, **where: Any) -> dict[str, Any]:
    found: dict[str, Any] = pyg.fetch_permissions("test", **gobbler.local, **where)
    return found


def grant(gobbler: Gobbler, **changes: Any) -> Any:
    return pyg.set_permissions("test", registry=gobbler.registry, **gobbler.writer, **changes)


def test_given_entries_are_appended_in_order(sample: Gobbler) -> None:
    grant(sample, owners=["urmom", "yomama"], uploaders=[{"id": "one"}])
    grant(sample, owners=["yomama", "third"], uploaders=[{"id": "two", "trusted": True}])
    assert permissions(sample) == {
        "owners": [USER, "urmom", "yomama", "third"],
        "uploaders": [{"id": "one"}, {"id": "two", "trusted": True}],
    }


def test_entries_that_are_there_already_are_not_repeated(sample: Gobbler) -> None:
    for _ in range(2):
        grant(sample, owners=["a", "a", USER], uploaders=[{"id": "one", "asset": "x"}])
    assert permissions(sample) == {
        "owners": [USER, "a"],
        "uploaders": [{"id": "one", "asset": "x"}],
    }


def test_without_append_given_entries_replace(sample: Gobbler) -> None:
    grant(sample, owners=["b", "a"], append=False)
    assert permissions(sample) == {"owners": ["b", "a"], "uploaders": []}
    grant(sample, uploaders=[{"id": "one"}], append=False)
    assert permissions(sample) == {"owners": ["b", "a"], "uploaders": [{"id": "one"}]}


def test_what_is_not_given_stays(sample: Gobbler) -> None:
    before = permissions(sample)
    grant(sample)
    assert permissions(sample) == before


def test_global_write_can_be_set_and_unset(sample: Gobbler) -> None:
    grant(sample, global_write=True)
    assert permissions(sample)["global_write"] is True
    grant(sample, global_write=False)
    assert permissions(sample)["global_write"] is False


def test_permissions_of_an_asset_are_its_own(sample: Gobbler) -> None:
    before = permissions(sample)
    grant(sample, asset="sample", owners=["ann"], uploaders=[{"id": "bob"}])
    grant(sample, asset="sample", owners=["eve"])
    assert permissions(sample, asset="sample") == {
        "owners": ["ann", "eve"],
        "uploaders": [{"id": "bob"}],
    }
    assert permissions(sample) == before


def test_an_asset_has_no_global_write(sample: Gobbler) -> None:
    with pytest.warns(UserWarning, match="global_write"):
        grant(sample, asset="sample", owners=["ann"], global_write=True)
    assert permissions(sample, asset="sample") == {"owners": ["ann"], "uploaders": []}


def test_a_dry_run_returns_what_would_be_sent(sample: Gobbler) -> None:
    before = registry_state(sample.registry)
    assert grant(sample, owners=["ann"], dry_run=True) == {"owners": [USER, "ann"]}
    assert grant(sample, uploaders=[{"id": "x"}], dry_run=True) == {"uploaders": [{"id": "x"}]}
    assert grant(sample, owners=["ann"], append=False, dry_run=True) == {"owners": ["ann"]}
    assert grant(sample, global_write=True, dry_run=True) == {"global_write": True}
    assert grant(sample, dry_run=True) == {}
    assert registry_state(sample.registry) == before


def test_present_permissions_are_read_over_http_without_the_registry(sample: Gobbler) -> None:
    pyg.set_permissions("test", registry="/not/here", owners=["ann"], **sample.writer)
    assert permissions(sample)["owners"] == [USER, "ann"]


def test_a_null_list_of_uploaders_counts_as_empty(
    sample: Gobbler, source: Callable[[Tree], str]
) -> None:
    file = sample.path("test", "sample", "..permissions")
    file.write_text('{"owners": ["ann"], "uploaders": null}')
    grant(sample, asset="sample", uploaders=[{"id": "bob"}])
    assert permissions(sample, asset="sample") == {
        "owners": ["ann"],
        "uploaders": [{"id": "bob"}],
    }


@pytest.mark.parametrize("where", [{}, {"asset": "sample"}, {"asset": "brand-new"}])
def test_bad_uploaders_are_refused_and_change_nothing(
    sample: Gobbler, where: dict[str, str]
) -> None:
    before = registry_state(sample.registry)
    with refused(400, "invalid 'permissions.uploaders' in request; "):
        grant(sample, uploaders=[{"id": "x", "until": "tomorrow"}], **where)
    assert registry_state(sample.registry) == before


def test_strangers_may_not_change_permissions(stranger: Gobbler) -> None:
    project = stranger.path("test")
    project.mkdir()
    project.joinpath("..permissions").write_text('{"owners": [], "uploaders": []}')
    with refused(403, f'user "{USER}" is not authorized to modify permissions for "test"'):
        grant(stranger, owners=[USER])


def test_a_missing_project_is_an_error(gobbler: Gobbler) -> None:
    with refused(404, "project test does not exist"):
        grant(gobbler, owners=["ann"], append=False)
    with pytest.raises(FileNotFoundError):
        grant(gobbler, owners=["ann"])
