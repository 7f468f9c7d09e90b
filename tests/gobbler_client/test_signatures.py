"""The public face equals the recorded one of the original."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import pygobbler
import pytest
from support import signatures

RECORDED = signatures.recorded("pygobbler")
PRIVATE = {"_acquire_file", "_local_registry", "dump_request", "format_error"}
FUNCTIONS = [
    (module, name)
    for module, name in signatures.members(RECORDED, "functions")
    if not name.startswith("_") or name in PRIVATE
]
PUBLIC = [*RECORDED["pygobbler"]["reexports"], "__version__"]


def module(name: str) -> Any:
    """The module itself, although a function of the same name hides it."""
    importlib.import_module(name)
    return sys.modules[name]


@pytest.mark.parametrize("name", RECORDED)
def test_every_module_can_be_imported(name: str) -> None:
    assert inspect.ismodule(module(name))


@pytest.mark.parametrize(("where", "name"), FUNCTIONS, ids=lambda text: str(text))
def test_parameters_and_defaults_are_the_recorded_ones(where: str, name: str) -> None:
    recorded = RECORDED[where]["functions"][name]
    ours = signatures.found(getattr(module(where), name))
    if recorded and recorded[-1]["kind"] == "var_keyword":
        assert ours == recorded
    assert ours[: len(recorded)] == recorded
    for further in ours[len(recorded) :]:
        assert "default" in further
        assert further["kind"] == "keyword_only" or name == "start_gobbler"


@pytest.mark.parametrize("name", RECORDED)
def test_reexported_names_are_the_same_objects(name: str) -> None:
    for alias, origin in RECORDED[name].get("reexports", {}).items():
        if not alias.startswith("_") or alias in PRIVATE:
            assert getattr(module(name), alias) is getattr(module(origin), alias)


def test_public_functions_hide_their_modules() -> None:
    for name in RECORDED["pygobbler"]["reexports"]:
        assert inspect.isfunction(getattr(pygobbler, name))


def test_the_version_is_the_compatible_one() -> None:
    assert pygobbler.__version__ == "0.1.11"


def test_all_names_every_public_name() -> None:
    assert {*pygobbler.__all__, "__version__"} >= set(PUBLIC)
    assert sorted(set(pygobbler.__all__)) == sorted(pygobbler.__all__)


def test_module_state_of_the_test_service_can_be_read() -> None:
    state = module("pygobbler.start_gobbler")
    for name in RECORDED["pygobbler.start_gobbler"]["constants"]:
        assert hasattr(state, name)


@pytest.mark.parametrize("name", RECORDED["pygobbler"]["reexports"])
def test_every_public_function_documents_arguments_and_an_example(name: str) -> None:
    function = getattr(pygobbler, name)
    text = inspect.getdoc(function)
    assert text is not None
    parameters = inspect.signature(function).parameters
    for parameter in parameters:
        assert f"{parameter}:" in text or f"{parameter}`" in text, parameter
    assert "Example" in text
