"""The examples in the docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import selenite
from support import bucket

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (pyg, gyp, selenite)
    for module in pkgutil.iter_modules(package.__path__)
]


def examples() -> list[doctest.DocTest]:
    """All docstrings with examples, of modules that functions of the same name hide too."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for name in MODULES:
        if name != "selenite._core":
            module = importlib.import_module(name)
            found += [test for test in finder.find(module, name) if test.examples]
    return found


EXAMPLES = examples()


@pytest.fixture
def names(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What examples take for granted: a service, a project and some files."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    (results / "b").mkdir(parents=True)
    (results / "a.txt").write_text("a" * 12)
    (results / "b" / "c.txt").write_text("c" * 24)
    (tmp_path / "empty.txt").touch()
    example = request.getfixturevalue("example")
    if example.name.startswith("gypsum_client."):
        with bucket.examples(tmp_path, monkeypatch) as found:
            yield found
        return
    pyg.stop_gobbler()
    _, staging, registry, url = pyg.start_gobbler()
    service: dict[str, Any] = {"staging": staging, "url": url}
    pyg.create_project("test", owners=["alice"], **service)
    pyg.upload_directory("test", "simple", "v1", str(results), **service)
    pyg.upload_directory("test", "simple", "v2", str(results), probation=True, **service)
    yield {"staging": staging, "registry": registry, "url": url}
    pyg.stop_gobbler()


def test_every_public_function_has_an_example() -> None:
    shown = {test.name.rpartition(".")[2] for test in EXAMPLES}
    for package in (pyg, gyp):
        functions = {name for name in package.__all__ if isfunction(getattr(package, name))}
        assert functions - shown == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_example_does_what_it_shows(example: doctest.DocTest, names: dict[str, Any]) -> None:
    example.globs.update(names)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    results = runner.run(example, out=report.append, clear_globs=False)
    assert results.failed == 0, "".join(report)
