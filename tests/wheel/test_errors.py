"""`docs/errors.md` names every status of the services and every exception of the packages."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import selenite

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "src" / "service"
DOCUMENT = (ROOT / "docs" / "errors.md").read_text()
CLASS = re.compile(r"`((?:[a-z_]+\.)*[A-Z]\w*)`")
PACKAGES = sorted(
    path.name for path in (ROOT / "python").iterdir() if (path / "__init__.pyi").exists()
)


def section(title: str) -> str:
    """The text below a title, to the next one."""
    return DOCUMENT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> Iterator[str]:
    """What the first column of tables holds."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|-"):
            yield line.split("|")[1].strip()


def statuses(name: str) -> set[int]:
    """All statuses in the source of a service, tests aside."""
    files = [*(SERVICES / name).glob("*.rs"), *SERVICES.glob("*.rs")]
    text = "".join(path.read_text().partition("#[cfg(test)]")[0] for path in files)
    # The name of 416 before Python 3.13.
    text = text.replace("StatusCode::RANGE_", "StatusCode::REQUESTED_RANGE_")
    found = {HTTPStatus[name].value for name in re.findall(r"StatusCode::([A-Z_]+)", text)}
    found |= {int(number) for number in re.findall(r"Refusal::new\(\s*(\d{3}),", text)}
    # Those of what the engine refuses, as its enum tells them.
    engine = (ROOT / "src" / "registry" / "failure.rs").read_text()
    found |= {int(number) for number in re.findall(r"Self::\w+ => (\d{3}),", engine)}
    return found


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("gobbler", "Statuses of the Gobbler service"),
        ("gypsum", "Statuses of the gypsum service"),
    ],
)
def test_every_status_of_a_service_is_told(name: str, title: str) -> None:
    told = [int(cell) for cell in first_cells(section(title)) if cell.isdigit()]
    assert told == sorted(statuses(name))
    assert len(told) > 10


def exceptions(package: str) -> set[str]:
    """Names of the exceptions that the stubs of a package show and that are its own."""
    found = set()
    for path in (ROOT / "python" / package).glob("*.pyi"):
        for origin, name in re.findall(r"^from (\S+) import (\w+)", path.read_text(), re.M):
            thing = getattr(importlib.import_module(origin), name, None)
            if isinstance(thing, type) and issubclass(thing, Exception):
                place = thing.__module__.removeprefix("selenite.dropin.")
                place = re.sub(r"\.(_errors|knex|remote_object)$", "", place)
                if place in (package, f"{package}.storage"):
                    found.add(f"{place}.{name}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exception_of_a_package_is_told(package: str) -> None:
    told = {
        name
        for cell in first_cells(section(f"What {package} raises"))
        for name in CLASS.findall(cell)
    }
    assert {name for name in told if name.startswith(f"{package}.")} == exceptions(package)
    for name in told:
        home, _, attribute = name.rpartition(".")
        thing = getattr(importlib.import_module(home) if home else builtins, attribute)
        assert issubclass(thing, BaseException), name


def test_every_exception_of_the_core_is_told() -> None:
    named = set(CLASS.findall(DOCUMENT))
    kinds = {
        name
        for name in selenite.__all__
        if inspect.isclass(thing := getattr(selenite, name)) and issubclass(thing, BaseException)
    }
    assert len(kinds) > 8
    assert {name for name in kinds if not {name, f"selenite.{name}"} & named} == set()
