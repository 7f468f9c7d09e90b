"""Without the packages that it depends on, all works but what is made of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import selenite
from selenite._needing import needing
from support.service import COMMAND, wait_until

PACKAGES = ("selenite", "pygobbler", "gypsum_client")
# Modules that stand on the models.
PYTUPLI = ("_given", "_matching", "_records", "schema", "storage")
ABSENT = ("benchmark", "cli", "dataset", "quality_metrics", "server")
# What the command imports, and the exception that is one of `requests`.
NEED = {
    "selenite.cli": "click",
    "selenite._serve_gypsum": "click",
    "selenite._rest": "requests",
    "selenite.fs": "fsspec",
    # Of the original alone.
    **{name: name for name in (f"selenite.dropin.pytupli.{one}" for one in ABSENT)},
    "selenite.dropin.pytupli._artifacts": "requests",
    "selenite.dropin.pytupli._calls": "requests",
    "selenite.dropin.girder_client": "requests",
    "selenite.dropin.pangea_api": "requests",
    **dict.fromkeys((f"selenite.dropin.pytupli.{name}" for name in PYTUPLI), "pydantic"),
    "pygobbler._json_error": "requests",
    "selenite.dropin.pygobbler._json_error": "requests",
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds our packages and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    site = Path(selenite.__file__).parents[1]
    for package in PACKAGES:
        (folder / package).symlink_to(site / package)
    return folder


def python(alone: Path, *arguments: str) -> list[str]:
    """A command that runs Python with the standard library and our packages."""
    code = f"import sys; sys.path.insert(0, {str(alone)!r})\n"
    if arguments[0] != "-c":
        code += "import runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
        return [sys.executable, "-S", "-P", "-c", code, *arguments]
    return [sys.executable, "-S", "-P", "-c", code + arguments[1], *arguments[2:]]


def output(alone: Path, code: str, *arguments: str, **environment: str) -> str:
    """What the code prints."""
    done = subprocess.run(
        python(alone, "-c", code, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_only_the_command_imports_what_may_be_missing(alone: Path) -> None:
    code = f"""
import importlib, pkgutil
for package in {PACKAGES}:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            print(module.name, error.name)
"""
    found = [line.split() for line in output(alone, code).splitlines()]
    assert {module: missing for module, missing in found} == NEED


GOBBLER = """
import pathlib, pygobbler as pyg
_, staging, registry, url = pyg.start_gobbler()
there = {"staging": staging, "url": url}
pyg.create_project("p", **there)
pathlib.Path("data").mkdir()
pathlib.Path("data/a.txt").write_text("a")
pyg.upload_directory("p", "a", "v", "data", **there)
folder = pyg.fetch_directory("p/a/v", registry, url, cache="cache", force_remote=True)
print(pathlib.Path(folder, "a.txt").read_text())
try:
    pyg.fetch_manifest("p", "a", "w", registry, url, cache="cache", force_remote=True)
except OSError as error:
    print(error.errno, error)
pyg.stop_gobbler()
try:
    pyg.list_projects(registry, url, force_remote=True)
except ConnectionError as error:
    print(error.errno, error)
"""

GYPSUM = """
import os, pathlib, gypsum_client as gyp
from selenite.testing import GypsumServer
pathlib.Path("data").mkdir()
pathlib.Path("data/a.txt").write_text("a")
with GypsumServer(tokens={"secret": "alice"}, admins=["alice"]) as server:
    there = {"url": server.url, "token": "secret"}
    gyp.create_project("p", owners="alice", **there)
    gyp.upload_directory("data", "p", "a", "v", "cache", **there)
    saved = gyp.save_version("p", "a", "v", "cache", url=server.url)
    print(pathlib.Path(saved, "a.txt").read_text())
pathlib.Path("schema.json").write_text("{}")
try:
    gyp.validate_metadata({}, "schema.json")
except ImportError as error:
    print(error.name, error)
"""


def test_the_gobbler_and_its_client_work(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, refused, unreachable = output(alone, GOBBLER).splitlines()
    assert content == "a"
    hint = "an exception of `requests` needs `requests`, which is not installed"
    for status, message in (("404", refused), ("111", unreachable)):
        assert message.startswith(f"{status} ")
        assert message.endswith(f"{hint} (`pip install requests`)")


def test_gypsum_and_its_client_work(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, hint = output(alone, GYPSUM).splitlines()
    assert content == "a"
    assert hint == (
        "jsonschema validate_metadata needs `jsonschema`, which is not installed "
        "(`pip install jsonschema`)"
    )


def test_the_command_serves_and_else_says_what_it_needs(alone: Path, tmp_path: Path) -> None:
    flags = ["-registry", str(tmp_path / "registry"), "-staging", str(tmp_path / "staging")]
    for folder in flags[1::2]:
        Path(folder).mkdir()
    command = python(alone, str(COMMAND), "serve", "gobbler", *flags)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: "listening" in (tmp_path / "log").read_text(), "the service listens")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()

    for arguments in (["--version"], ["serve", "gypsum"]):
        command = python(alone, str(COMMAND), *arguments)
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            "selenite: this command needs `click`, which is not installed (`pip install click`)\n"
        )


def test_a_package_that_lacks_another_is_installed_by_its_own_name() -> None:
    advice = "which lacks `rpds.rpds` (`pip install --force-reinstall jsonschema`)"
    with (
        pytest.raises(ModuleNotFoundError, match=re.escape(advice)) as raised,
        needing("it", "jsonschema"),
    ):
        raise ModuleNotFoundError("No module named 'rpds.rpds'", name="rpds.rpds")
    assert raised.value.name == "rpds.rpds"
