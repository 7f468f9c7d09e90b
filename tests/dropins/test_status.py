"""`selenite compat status` says whose code an import runs, and an import runs that code."""

from __future__ import annotations

import importlib.machinery
import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from support.site import DROPINS, EXTENSION, Site, run

STATUS = (
    "import atexit, sys\n"
    "from selenite._command import main\n"
    "names = {{'pygobbler', 'gypsum_client', 'pangea_api'}}\n"
    "atexit.register(lambda: names & set(sys.modules) and print('It imports them!'))\n"
    "sys.argv = ['selenite', 'compat', 'status', *{0}]\n"
    "main()\n"
)


def status(*arguments: str, sites: tuple[Site, ...], dropin: str | None = None) -> str:
    """Run the command without the packages of this environment."""
    return run(STATUS.format(list(arguments)), *sites, dropin=dropin, options=("-S",))


def told(name: str, *sites: Site, dropin: str | None = None) -> dict[str, Any]:
    """What the command says of one name, compared with what an import does."""
    said = status("--json", sites=sites, dropin=dropin)
    found: dict[str, Any] = {one["name"]: one for one in json.loads(said)["dropins"]}[name]
    code = f"import {name}; print({name}.__file__)"
    imported = run(code, *sites, dropin=dropin, options=("-S",)).strip()
    if found["runs"] == "nothing":
        assert "Error: " in imported or imported == "None"
    else:
        assert imported == found["location"]
    return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site").add_selenite(*DROPINS)
    (site.path / "click").symlink_to(Path(click.__file__).parent)
    return site


def test_ours(site: Site, original_client: Path) -> None:
    found = told("pygobbler", site)
    assert (found["runs"], found["version"]) == ("selenite", None)
    assert (found["why"], found["advice"]) == ("of the original nothing is installed", "")
    site.add_original("pygobbler", original_client)
    found = told("pygobbler", site)
    assert (found["runs"], found["version"]) == ("selenite", "0.1.11")
    assert found["why"] == "it comes before the original, which is left as it is"
    assert found["advice"] == "set SELENITE_DROPIN=pygobbler to import the original"


def test_the_original_by_the_variable(site: Site, original_client: Path) -> None:
    found = told("pygobbler", site, dropin="original")
    assert found["runs"] == "nothing"
    assert (
        found["why"]
        == "SELENITE_DROPIN=original asks for the original, of which nothing is installed"
    )
    assert found["advice"] == "`pip install pygobbler`, or unset SELENITE_DROPIN"
    site.add_original("pygobbler", original_client)
    found = told("pygobbler", site, dropin="pygobbler")
    assert (found["runs"], found["version"]) == ("original", "0.1.11")
    assert found["why"] == "SELENITE_DROPIN=pygobbler asks for the original"
    assert told("pygobbler", site, dropin="gypsum_client")["runs"] == "selenite"


def test_metadata_without_code(site: Site) -> None:
    """As where a wheel of metadata keeps the original out."""
    metadata = site.path / "pygobbler-0.1.11+selenite.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: pygobbler\nVersion: 0.1.11+selenite.1\n")
    found = told("pygobbler", site)
    assert (found["runs"], found["version"]) == ("selenite", "0.1.11+selenite.1")
    assert found["why"] == "of the original only metadata is installed"
    found = told("pygobbler", site, dropin="original")
    assert found["advice"] == "`pip install --force-reinstall pygobbler`, or unset SELENITE_DROPIN"


def test_the_original_by_the_path(site: Site, tmp_path: Path, original_client: Path) -> None:
    first = Site(tmp_path / "first").add_original("gypsum_client", original_client)
    found = told("gypsum_client", first, site)
    assert (found["runs"], found["why"]) == ("original", "it comes first on the path of modules")
    assert found["advice"] == f"let `{site.path}` come before it"


def test_something_else_by_the_path(site: Site, tmp_path: Path) -> None:
    (tmp_path / "gypsum_client.py").write_text("")
    found = told("gypsum_client", Site(tmp_path), site)
    assert (found["runs"], found["version"]) == ("other", None)
    assert found["why"] == "it comes first on the path of modules"
    # Behind selenite it is nothing that could be the original.
    assert told("gypsum_client", site, Site(tmp_path), dropin="original")["runs"] == "nothing"


def test_what_is_not_built_yet(site: Site) -> None:
    found = told("pangea_api", site)
    assert (found["runs"], found["location"]) == ("nothing", None)
    why = "selenite has no pangea_api yet, and pangea-api is not installed"
    assert (found["why"], found["advice"]) == (why, "")
    metadata = site.path / "pangea_api-5.0.21.dist-info"
    site.add_package("pangea_api", __init__="")
    assert told("pangea_api", site)["runs"] == "other"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: pangea-api\nVersion: 5.0.21\n")
    found = told("pangea_api", site)
    assert (found["runs"], found["version"]) == ("original", "5.0.21")
    assert found["why"] == "selenite has no pangea_api yet"
    # As soon as it is built.
    site.add_extension("pangea_api")
    site.add_dropin("pangea_api", __init__="")
    assert told("pangea_api", site)["runs"] == "selenite"


def test_what_is_broken(site: Site) -> None:
    (site.path / "pygobbler" / EXTENSION).unlink()
    found = told("pygobbler", site)
    assert found["runs"] == "nothing"
    assert found["why"] == "the extension module that leads to selenite's is missing"
    shutil.rmtree(site.path / "selenite" / "dropin" / "gypsum_client")
    found = told("gypsum_client", site)
    assert (found["runs"], found["why"]) == ("nothing", "files of selenite are missing")
    assert found["advice"] == "`pip install --force-reinstall selenite`"


def test_a_python_that_does_not_load_the_extension_module(site: Site) -> None:
    """As free-threaded ones."""
    (site.path / "pygobbler" / EXTENSION).unlink()
    hidden = "import importlib.machinery as m\nm.EXTENSION_SUFFIXES.remove('.abi3.so')\n"
    said = run(hidden + STATUS.format(["--json"]), site, options=("-S",))
    assert ".abi3.so" in importlib.machinery.EXTENSION_SUFFIXES
    found = json.loads(said)["dropins"][0]
    assert found["runs"] == "nothing"
    assert found["why"] == "this Python loads no extension modules of the stable ABI"
    assert found["advice"] == "import selenite's as `selenite.dropin.pygobbler`"


def test_it_can_be_read(site: Site, original_client: Path) -> None:
    site.add_original("pygobbler", original_client)
    lines = status(sites=(site,)).splitlines()
    assert lines[:5] == [
        "pygobbler: selenite",
        "  why           it comes before the original, which is left as it is",
        f"  location      {site.path}/selenite/dropin/pygobbler/__init__.py",
        "  distribution  pygobbler 0.1.11 is installed",
        "  advice        set SELENITE_DROPIN=pygobbler to import the original",
    ]
    assert lines[5:7] == [
        "gypsum_client: selenite",
        "  why           of the original nothing is installed",
    ]


def test_the_exit_status_tells_of_what_is_broken(site: Site) -> None:
    caught = "\ntry: main()\nexcept SystemExit as done: print(done.code)\n"
    code = STATUS.format([]).replace("\nmain()\n", caught)
    assert run(code, site, options=("-S",)).endswith("\n0\n")
    (site.path / "pygobbler" / EXTENSION).unlink()
    assert run(code, site, options=("-S",)).endswith("\n1\n")
    site.add_extension("pygobbler")
    (site.path / "selenite" / "dropin" / "pygobbler" / "__init__.py").unlink()
    assert run(code, site, options=("-S",)).endswith("\n1\n")


def test_a_bad_value_of_the_variable_is_named(site: Site) -> None:
    said = status(sites=(site,), dropin="theirs")
    assert said.startswith("error: invalid SELENITE_DROPIN `theirs`: expected `original` or ")
