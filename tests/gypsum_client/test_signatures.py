"""The public face equals the recorded one of the original."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import gypsum_client
import pytest
from support import signatures

RECORDED = signatures.recorded("gypsum_client")
FUNCTIONS = signatures.members(RECORDED, "functions")
PUBLIC = [*RECORDED["gypsum_client"]["reexports"], "__version__"]
HIDDEN = [
    "cache_directory",
    "fetch_metadata_database",
    "fetch_metadata_schema",
    "resolve_links",
    "rest_url",
    "validate_metadata",
]
# Fixed by the original when it is imported, by us when the function is called.
LATE = {"'https://gypsum.artifactdb.com'": "None", "'<HOME>/.cache/gypsum'": "cache_directory()"}


def module(name: str) -> Any:
    """The module itself, although a function of the same name hides it."""
    importlib.import_module(name)
    return sys.modules[name]


def expected(recorded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    late = [
        {**one, "default": LATE.get(one.get("default", ""), one.get("default"))} for one in recorded
    ]
    return [{key: value for key, value in one.items() if value is not None} for one in late]


@pytest.mark.parametrize("name", RECORDED)
def test_every_module_can_be_imported(name: str) -> None:
    assert inspect.ismodule(module(name))


@pytest.mark.parametrize(("where", "name"), FUNCTIONS, ids=lambda text: str(text))
def test_parameters_and_defaults_are_the_recorded_ones(where: str, name: str) -> None:
    recorded = expected(RECORDED[where]["functions"][name])
    signatures.check(signatures.found(getattr(module(where), name)), recorded)


def test_search_clauses_are_made_and_compared_like_the_originals() -> None:
    clause = module("gypsum_client.search_metadata").GypsumSearchClause
    recorded = RECORDED["gypsum_client.search_metadata"]["classes"]["GypsumSearchClause"]
    assert signatures.found(clause.__init__) == recorded["members"]["__init__"]["parameters"]
    assert len({clause("text"), clause("text")}) == 2


@pytest.mark.parametrize("name", RECORDED)
def test_reexported_names_are_the_same_objects(name: str) -> None:
    for alias, origin in (RECORDED[name].get("reexports") or {}).items():
        assert getattr(module(name), alias) is getattr(module(origin), alias)


@pytest.mark.parametrize("name", RECORDED)
def test_every_constant_is_there(name: str) -> None:
    for constant, value in RECORDED[name].get("constants", {}).items():
        ours = getattr(module(name), constant)
        if not value.startswith("'<HOME>"):
            assert repr(ours) == value
        if constant == "REQUESTS_MOD":
            assert ours is gypsum_client.REQUESTS_MOD


def test_functions_hide_the_modules_of_their_names() -> None:
    for name in HIDDEN:
        function = getattr(gypsum_client, name)
        assert inspect.isfunction(function)
        assert getattr(module(f"gypsum_client.{name}"), name) is function


def test_all_names_every_public_name() -> None:
    assert {*gypsum_client.__all__} >= set(PUBLIC)
    assert gypsum_client.__version__ == "0.2.0"


@pytest.mark.parametrize("name", [name for name in gypsum_client.__all__ if name.islower()])
def test_every_public_function_documents_arguments_and_an_example(name: str) -> None:
    function = getattr(gypsum_client, name)
    if not inspect.isfunction(function):
        return
    text = inspect.getdoc(function) or ""
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter}:" in text, parameter
    assert "Example" in text
