"""The public face equals the recorded one of the original."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("vectors/signatures/pangea_api.json").read_text()
)
CLASSES = [
    (module, name) for module, content in RECORDED.items() for name in content.get("classes", {})
]
MEMBERS = [
    (module, name, member)
    for module, name in CLASSES
    for member in RECORDED[module]["classes"][name]["members"]
]
FUNCTIONS = [
    (module, name) for module, content in RECORDED.items() for name in content.get("functions", {})
]


def written(default: Any) -> str:
    if inspect.isfunction(default):
        return f"<function {default.__qualname__}>"
    return repr(default)


def found(function: Any) -> list[dict[str, Any]]:
    return [
        {"kind": parameter.kind.name.lower(), "name": parameter.name}
        | ({} if parameter.default is parameter.empty else {"default": written(parameter.default)})
        for parameter in inspect.signature(function).parameters.values()
    ]


def check(ours: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> None:
    """Further parameters are keywords with a default."""
    assert ours[: len(recorded)] == recorded
    for further in ours[len(recorded) :]:
        assert "default" in further
        assert further["kind"] == "keyword_only"


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_classes_have_their_bases(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    for base in RECORDED[module]["classes"][name]["bases"]:
        place, _, wanted = base.rpartition(".")
        known = getattr(importlib.import_module(place), wanted)
        assert issubclass(kind, known)


@pytest.mark.parametrize(("module", "name", "member"), MEMBERS)
def test_members_are_the_recorded_ones(module: str, name: str, member: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    recorded = RECORDED[module]["classes"][name]["members"][member]
    ours = getattr(kind, member)
    if recorded["kind"] == "attribute":
        assert repr(ours) == recorded["value"]
    elif recorded["kind"] == "property":
        assert isinstance(ours, property)
        assert (ours.fset is not None) == recorded["settable"]
    else:
        plain = inspect.getattr_static(kind, member)
        assert isinstance(plain, classmethod) == (recorded["kind"] == "classmethod")
        check(found(getattr(plain, "__func__", plain)), recorded["parameters"])


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_functions_are_the_recorded_ones(module: str, name: str) -> None:
    function = getattr(importlib.import_module(module), name)
    recorded = RECORDED[module]["functions"][name]
    ours = found(function)
    assert [one["name"] for one in ours] == [one["name"] for one in recorded]
    assert [one.get("default") for one in ours] == [one.get("default") for one in recorded]


@pytest.mark.parametrize("module", RECORDED)
def test_constants_are_the_recorded_ones(module: str) -> None:
    place = importlib.import_module(module)
    for name, value in (RECORDED[module].get("constants") or {}).items():
        assert repr(getattr(place, name)) == value
    for name, origin in (RECORDED[module].get("reexports") or {}).items():
        assert getattr(place, name) is getattr(importlib.import_module(origin), name)
