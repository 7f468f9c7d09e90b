"""The examples in the docstrings do what they show."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import selenite
from selenite.testing import GobblerServer, GypsumServer
from support import bucket
from support.tree import make

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


# Examples of functions that only read share one service, with one filled registry.
READING = re.compile(r"\.(fetch|list|search|define|parse|version_path|service_info|save_|resolve)")


def filled(folder: Path, stack: contextlib.ExitStack) -> dict[str, Any]:
    """A Gobbler service with two versions, the second on probation."""
    results = make_results(folder)
    server = stack.enter_context(GobblerServer())
    service: dict[str, Any] = {"staging": server.staging, "url": server.url}
    pyg.create_project("test", owners=["alice"], **service)
    pyg.upload_directory("test", "simple", "v1", str(results), **service)
    pyg.upload_directory("test", "simple", "v2", str(results), probation=True, **service)
    return {"staging": server.staging, "registry": server.registry, "url": server.url}


# Modules of selenite's own objects.
OWN = tuple(
    f"selenite.{name}"
    for name in ("_manifest", "_object_store", "_place", "_registry", "_upload", "fs")
)


def own(folder: Path, stack: contextlib.ExitStack) -> dict[str, Any]:
    """Both services, the Gobbler with two versions, and a directory for a third one."""
    server = stack.enter_context(GobblerServer())
    service: dict[str, Any] = {"staging": server.staging, "url": server.url}
    pyg.create_project("demo", **service)
    first = {"a.txt": "first words\n", "b/c.txt": "five\n"}
    second = {"a.txt": "other words\n", "b/c.txt": "five\n", "new.txt": "new"}
    for version, files in (("v1", first), ("v2", second)):
        pyg.upload_directory("demo", "rna", version, make(folder / version, files), **service)
    make(folder / "results", {"a.txt": "other words\n", "more.txt": "more"})
    names: dict[str, Any] = {"registry": server.registry, "url": server.url}
    names["manifest"] = selenite.open("gobbler:demo/rna/v1", registry=server.registry).manifest
    s3 = {"endpoint": "https://s3.example", "bucket": "b", "key": "k", "secret": "s"}
    names["gypsum_url"] = stack.enter_context(GypsumServer(s3_credentials=s3)).url
    return names


def make_results(folder: Path) -> Path:
    """A directory to upload."""
    return make(folder / "results", {"a.txt": "a" * 12, "b/c.txt": "c" * 24})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What the examples of each package find that only read."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        work = tmp_path_factory.mktemp("shared")
        yield {
            "pygobbler": filled(work, stack),
            "gypsum_client": stack.enter_context(bucket.examples(work, patch)),
        }


@pytest.fixture
def names(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What examples take for granted: a service, a project and some files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").touch()
    example = request.getfixturevalue("example")
    package = example.name.partition(".")[0]
    with contextlib.ExitStack() as stack:
        if example.name.startswith(OWN):
            yield own(tmp_path, stack)
        elif package not in ("pygobbler", "gypsum_client"):
            make_results(tmp_path)
            yield {}
        elif READING.search(example.name):
            make_results(tmp_path)
            found = request.getfixturevalue("shared")[package]
            if package == "gypsum_client":
                bucket.use_metadata(found["metadata"], monkeypatch)
                found = {**found, "cache": str(tmp_path / "cache")}
            yield found
        elif package == "pygobbler":
            yield filled(tmp_path, stack)
        else:
            make_results(tmp_path)
            yield stack.enter_context(bucket.examples(tmp_path, monkeypatch))


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
