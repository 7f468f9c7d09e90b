"""No native function takes a switch by its place: which one it is would be seen nowhere."""

from __future__ import annotations

import inspect

import pytest
from selenite import _core

SWITCHES = {
    "abort", "consume", "create", "deduplicate", "embedded", "force_remote", "ignore_dot",
    "include_dot", "include_dotdot", "is_directory", "optional", "overwrite", "probation",
    "recursive", "relink", "whole",
}  # fmt: skip
FUNCTIONS = [name for name in dir(_core) if inspect.isbuiltin(getattr(_core, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_switches_are_given_by_name(name: str) -> None:
    parameters = inspect.signature(getattr(_core, name)).parameters.values()
    positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert SWITCHES.isdisjoint(positional)


def test_every_switch_is_one_of_some_function() -> None:
    parameters = [inspect.signature(getattr(_core, name)).parameters for name in FUNCTIONS]
    assert {name for names in parameters for name in names} >= SWITCHES
