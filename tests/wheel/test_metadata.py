"""What the distribution says of itself, and that all places say the same."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import tomllib
from pathlib import Path

import selenite
import selenite._core

ROOT = Path(__file__).parents[2]
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
RECIPE = (ROOT / "recipe" / "recipe.yaml").read_text()
METADATA = importlib.metadata.metadata("selenite")


def of_recipe(key: str) -> list[str]:
    """The entries of a list in the recipe."""
    found = re.search(rf"^( *){key}:\n((?:\1  .*\n)+)", RECIPE, re.M)
    assert found is not None, key
    return re.findall(r"^ *- (.*)$", found[2], re.M)


def test_one_version_everywhere() -> None:
    version = CARGO["version"]
    assert version == importlib.metadata.version("selenite")
    assert version == selenite.__version__ == selenite._core.__version__
    assert "version" in PROJECT["dynamic"]
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    assert [one["version"] for one in locked if one["name"] == "selenite"] == [version]
    assert re.findall(r"^  version: (.*)$", RECIPE, re.M)[0] == version
    releases = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert releases[0] == version


def test_addresses_begin_with_that_of_the_repository() -> None:
    shown = dict(one.split(", ") for one in METADATA.get_all("Project-URL") or [])
    names = {"Homepage", "Source", "Documentation", "Changelog", "Issues", "Security"}
    assert names <= set(shown)
    addresses = [*shown.values(), *re.findall(r"^  \w+: (https:.*)$", RECIPE, re.M)]
    assert [one for one in addresses if not one.startswith(CARGO["repository"])] == []


def test_it_says_what_it_is_and_for_whom() -> None:
    assert METADATA["Author"] == "selenite contributors"
    assert METADATA["Summary"] == CARGO["description"]
    assert METADATA["License-Expression"] == CARGO["license"]
    assert "Gobbler" in METADATA["Keywords"].split(",")
    classifiers = METADATA.get_all("Classifier") or []
    versions = [one.rpartition(" ")[2] for one in classifiers if "Python :: 3." in one]
    assert versions == [f"3.{minor}" for minor in range(11, 16)]
    assert "CPython 3.11 to 3.15" in (ROOT / "docs" / "support.md").read_text()


def test_the_description_is_the_readme() -> None:
    assert METADATA["Description-Content-Type"].startswith("text/markdown")
    assert str(METADATA.json["description"]).rstrip() == (ROOT / "README.md").read_text().rstrip()


def test_the_recipe_asks_for_what_the_wheel_asks_for() -> None:
    run = [one.replace(" ", "") for one in of_recipe("run")]
    assert run == [f"python{PROJECT['requires-python']}", *PROJECT["dependencies"]]
    assert set(PYPROJECT["build-system"]["requires"]) < {
        one.replace(" ", "") for one in of_recipe("host")
    }
    assert of_recipe("entry_points") == [
        f"{name} = {place}" for name, place in PROJECT["scripts"].items()
    ]
    originals = [one.split() for one in of_recipe("run_constraints")]
    assert {name for name, _ in originals} == {"pygobbler", "gypsum-client"}
    for name, release in originals:
        package = importlib.import_module(name.replace("-", "_"))
        assert release == f"{package.__version__}.*"
