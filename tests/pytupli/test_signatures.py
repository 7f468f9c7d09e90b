"""The public face equals the recorded one of the original."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest
from support import signatures

RECORDED = signatures.recorded("pytupli")
CLASSES = signatures.members(RECORDED, "classes")


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_classes_are_the_recorded_ones(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    recorded = RECORDED[module]["classes"][name]
    assert kind.__module__ == module
    assert [f"{base.__module__}.{base.__qualname__}" for base in kind.__bases__] == recorded[
        "bases"
    ]
    for member, wanted in recorded["members"].items():
        ours = getattr(kind, member)
        if wanted["kind"] == "attribute":
            assert repr(ours) == wanted["value"]
            continue
        plain = inspect.getattr_static(kind, member)
        assert isinstance(plain, classmethod) == (wanted["kind"] == "classmethod")
        function = plain.__func__ if isinstance(plain, classmethod) else ours
        if hasattr(plain, "wrapped"):  # a validator of pydantic
            function = plain.wrapped
        assert signatures.found(function) == wanted["parameters"], member


@pytest.mark.parametrize("module", RECORDED)
def test_other_names_are_the_recorded_ones(module: str) -> None:
    signatures.check_names(module, RECORDED[module])


def test_the_module_has_its_logger() -> None:
    assert importlib.import_module("pytupli.storage").logger.name == "pytupli.storage"


HEAVY = ("requests", "keyring", "numpy", "pandas", "tqdm", "http.client")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_imports_are_light() -> None:
    code = f"import sys, pytupli.storage, pytupli.schema; print(set({HEAVY}) & set(sys.modules))"
    assert python(code) == "set()\n"


@pytest.mark.parametrize(
    ("package", "code"),
    [("pydantic", "import pytupli.storage"), ("keyring", "TupliAPIClient()")],
)
def test_what_is_missing_is_named_with_the_extra(package: str, code: str) -> None:
    begin = "" if package == "pydantic" else "from pytupli.storage import TupliAPIClient\n"
    text = python(
        f"import sys\n{begin}sys.modules[{package!r}] = None\n"
        f"try:\n    {code}\nexcept ImportError as error:\n    print(error.name, error)\n"
    )
    advice = "which is not installed (`pip install 'selenite[tupli]'`)"
    assert text == f"{package} pytupli needs `{package}`, {advice}\n"


@pytest.mark.parametrize("name", ["benchmark", "cli", "dataset", "quality_metrics", "server"])
def test_modules_of_the_original_alone_name_its_distribution(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"`pip install pytupli`") as raised:
        importlib.import_module(f"pytupli.{name}")
    assert raised.value.name == f"pytupli.{name}"
