"""The public face equals the recorded one of the original."""

from __future__ import annotations

import importlib

import pytest
from support import signatures

RECORDED = signatures.recorded("pangea_api")
CLASSES = signatures.members(RECORDED, "classes")
MEMBERS = [
    (module, name, member)
    for module, name in CLASSES
    for member in RECORDED[module]["classes"][name]["members"]
]


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_classes_have_their_bases(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    signatures.check_bases(kind, RECORDED[module]["classes"][name]["bases"])


@pytest.mark.parametrize(("module", "name", "member"), MEMBERS)
def test_members_are_the_recorded_ones(module: str, name: str, member: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    signatures.check_member(kind, member, RECORDED[module]["classes"][name]["members"][member])


@pytest.mark.parametrize(("module", "name"), signatures.members(RECORDED, "functions"))
def test_functions_are_the_recorded_ones(module: str, name: str) -> None:
    function = getattr(importlib.import_module(module), name)
    signatures.check_function(function, RECORDED[module]["functions"][name])


@pytest.mark.parametrize("module", RECORDED)
def test_constants_are_the_recorded_ones(module: str) -> None:
    signatures.check_names(module, RECORDED[module])
