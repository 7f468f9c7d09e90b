"""What looks at modules sees a drop-in as a package of plain files."""

from __future__ import annotations

import doctest
import importlib
import importlib.resources
import importlib.util
import inspect
import linecache
import multiprocessing
import pickle
import pkgutil
import pydoc
import subprocess
import sys
import traceback
from pathlib import Path
from types import ModuleType
from unittest import mock

import gypsum_client
import pygobbler
import pytest
import selenite
from support.site import Site, run

PACKAGES = [pygobbler, gypsum_client]
HOME = Path(selenite.__file__).parent / "dropin"


@pytest.fixture(params=PACKAGES, ids=lambda package: package.__name__)
def package(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


def test_inspect_finds_files_and_sources(package: ModuleType) -> None:
    init = HOME / package.__name__ / "__init__.py"
    assert inspect.getfile(package) == inspect.getsourcefile(package) == str(init)
    assert inspect.getsource(package) == init.read_text()
    assert inspect.ismodule(package)
    assert inspect.getmodulename(package.__file__ or "") == "__init__"
    function = package.list_versions
    assert inspect.getmodule(function) is sys.modules[function.__module__]
    assert inspect.getsource(function).startswith("def list_versions(")
    assert "project" in inspect.signature(function).parameters
    assert linecache.getlines(str(init)) == init.read_text().splitlines(keepends=True)


def test_the_import_system_finds_what_it_would_of_plain_files(package: ModuleType) -> None:
    spec = package.__spec__
    assert spec is not None
    assert importlib.util.find_spec(package.__name__) is spec
    assert (spec.origin, spec.has_location) == (package.__file__, True)
    assert package.__path__ == spec.submodule_search_locations == [str(HOME / package.__name__)]
    assert package.__loader__ is spec.loader
    assert package.__package__ == spec.parent == package.__name__
    assert repr(package) == f"<module {package.__name__!r} from {package.__file__!r}>"


def test_all_modules_are_found_once_under_the_original_name(package: ModuleType) -> None:
    name = package.__name__
    found = [one.name for one in pkgutil.walk_packages(package.__path__, f"{name}.")]
    files = {f"{name}.{file.stem}" for file in (HOME / name).glob("*.py")}
    assert set(found) == files - {f"{name}.__init__"}
    for one in found:
        module = importlib.import_module(one)
        assert module.__name__ == one
        assert f"selenite.dropin.{one}" not in sys.modules
    assert (name, True) in [(one.name, one.ispkg) for one in pkgutil.iter_modules()]


def test_functions_and_errors_are_pickled_by_the_original_name(package: ModuleType) -> None:
    function = package.list_versions
    assert pickle.loads(pickle.dumps(function)) is function
    assert f"{package.__name__}.".encode() in pickle.dumps(function)
    error = gypsum_client.GypsumError("no")
    assert type(pickle.loads(pickle.dumps(error))) is gypsum_client.GypsumError


def test_the_package_itself_is_pickled_by_its_name(package: ModuleType) -> None:
    """As cloudpickle, and so joblib and dask, do with modules that functions use."""
    assert pickle.loads(pickle.dumps(package)) is package


def test_other_processes_get_them() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        parts = pool.apply(pygobbler.unpack_path, ("a/b/c/d",))
    assert parts["path"] == "d"


def test_pydoc_describes_it(package: ModuleType) -> None:
    text = pydoc.plain(pydoc.render_doc(package))
    assert f"{HOME / package.__name__ / '__init__.py'}" in text
    assert "list_versions(" in text
    assert "PACKAGE CONTENTS\n    _" in text
    assert pydoc.locate(f"{package.__name__}.list_versions.__doc__") is not None


def test_examples_are_found_and_run() -> None:
    module = sys.modules["pygobbler.unpack_path"]
    results = doctest.testmod(module)
    assert (results.failed, results.attempted > 0) == (0, True)


def test_resources_are_those_of_the_package(package: ModuleType) -> None:
    files = importlib.resources.files(package.__name__)
    assert files.joinpath("__init__.py").read_text() == inspect.getsource(package)
    with importlib.resources.as_file(files / "_errors.py") as path:
        assert path == HOME / package.__name__ / "_errors.py"


def test_a_function_that_is_replaced_is_what_the_others_call() -> None:
    target = "gypsum_client.clone_operations.save_version"
    with mock.patch(target, side_effect=LookupError("me")):
        with pytest.raises(LookupError, match="me") as raised:
            gypsum_client.clone_version("a", "b", "c", "d")
        frames = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
        assert str(HOME / "gypsum_client" / "clone_operations.py") in frames
    with mock.patch.object(pygobbler, "list_projects", return_value=["a"]):
        assert importlib.import_module("pygobbler").list_projects() == ["a"]


def test_the_metadata_of_the_originals_is_left_alone() -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("gypsum-client")


def test_pytest_rewrites_its_assertions(tmp_path: Path) -> None:
    site = Site(tmp_path / "site").add_selenite()
    site.add_extension("pangea_api")
    check = "def check(value):\n    assert value == [1, 2, 4]\n"
    site.add_dropin("pangea_api", __init__="", helper=check)
    (tmp_path / "conftest.py").write_text(
        "import pytest\npytest.register_assert_rewrite('pangea_api')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "from pangea_api.helper import check\ndef test(): check([1, 2, 3])\n"
    )
    options = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}")
    said = run("", site, options=(*options, str(tmp_path)))
    assert "At index 2 diff: 3 != 4" in said


def test_a_package_that_fails_says_where(tmp_path: Path) -> None:
    site = Site(tmp_path / "site").add_selenite()
    site.add_extension("pangea_api")
    site.add_dropin("pangea_api", __init__="\n\nraise ValueError('no')\n")
    command = [sys.executable, "-P", "-c", "import pangea_api"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(site.path)}
    )
    place = site.path / "selenite" / "dropin" / "pangea_api" / "__init__.py"
    assert f'File "{place}", line 3, in <module>' in done.stderr
    assert done.stderr.endswith("ValueError: no\n")
