"""The recorded face of an original, and how ours is compared with it."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any

Module = dict[str, Any]


def recorded(package: str) -> dict[str, Module]:
    """What was recorded of the modules of a package."""
    vectors = Path(__file__).parents[1] / "vectors/signatures"
    modules: dict[str, Module] = json.loads((vectors / f"{package}.json").read_text())
    return modules


def members(modules: dict[str, Module], kind: str) -> list[tuple[str, str]]:
    """Modules, and the names in them of what is of a kind: classes or functions."""
    return [(module, name) for module, content in modules.items() for name in content.get(kind, {})]


def found(function: Any) -> list[dict[str, Any]]:
    """The parameters of a function, as they are recorded."""
    return [
        {"kind": parameter.kind.name.lower(), "name": parameter.name}
        | ({} if parameter.default is parameter.empty else {"default": _written(parameter.default)})
        for parameter in inspect.signature(function).parameters.values()
    ]


def _written(default: Any) -> str:
    if inspect.isfunction(default):
        return f"<function {default.__qualname__}>"
    return repr(default)


def check(ours: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Further parameters are keywords with a default."""
    assert ours[: len(wanted)] == wanted
    for further in ours[len(wanted) :]:
        assert "default" in further
        assert further["kind"] == "keyword_only"


def check_bases(kind: type, wanted: list[str]) -> None:
    """A class has the bases of the original's."""
    for base in wanted:
        place, _, name = base.rpartition(".")
        assert issubclass(kind, getattr(importlib.import_module(place), name))


def check_member(kind: type, name: str, wanted: dict[str, Any]) -> None:
    """A member of a class is the recorded one."""
    ours, plain = getattr(kind, name), inspect.getattr_static(kind, name)
    if wanted["kind"] == "attribute":
        assert repr(ours) == wanted["value"]
    elif wanted["kind"] == "property":
        assert isinstance(ours, property)
        assert (ours.fset is not None) == wanted["settable"]
    else:
        for special in (classmethod, staticmethod):
            assert isinstance(plain, special) == (wanted["kind"] == special.__name__)
        check(found(getattr(plain, "__func__", plain)), wanted["parameters"])


def check_function(function: Any, wanted: list[dict[str, Any]]) -> None:
    """A function of a module has the recorded parameters and defaults, and no further ones."""
    ours = found(function)
    assert [one["name"] for one in ours] == [one["name"] for one in wanted]
    assert [one.get("default") for one in ours] == [one.get("default") for one in wanted]


def check_names(module: str, content: Module) -> None:
    """Constants have the recorded values, and names of elsewhere are the things of there."""
    place = importlib.import_module(module)
    for name, value in (content.get("constants") or {}).items():
        assert repr(getattr(place, name)) == value
    for name, origin in (content.get("reexports") or {}).items():
        assert getattr(place, name) is getattr(importlib.import_module(origin), name)
