#!/usr/bin/env python3
"""Install selenite, originals and their dependents in every order: scripts/matrix.py WHEEL.

After each step an import has to give selenite's code while selenite is installed, the untouched
original if the variable asks for it or if selenite is gone, and what is installed besides has to be
as content as without selenite. With `--quick` all but selenite are stand-ins, which pip installs
without a network. Otherwise the originals, celldex and scrnaseq come from the package index into
`--house` (a directory that is kept), and uv does what pip does.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import ZipFile

# The originals, and what depends on them: a stand-in where there is nothing.
ORIGINALS = {
    "pygobbler": "pygobbler==0.1.11",
    "gypsum_client": "gypsum-client==0.2.0",
    "girder_client": "girder-client==5.0.21",
    "pangea_api": "pangea-api==0.9.24",
    "pytupli": "pytupli==1.2.9",
}
DEPENDENTS = {
    "pygobbler": [],
    "gypsum_client": ["celldex==0.3.0", "scrnaseq==0.3.1"],
    "girder_client": ["girder-client-mount==0.3.4"],
    "pangea_api": [],
    "pytupli": [],
}

# Orders of steps: S installs selenite, D what depends on the original, O the original, two letters
# both in one command; `-` takes away, `!` installs again.
ORDERS = [
    "S D",
    "D S",
    "SD",
    "D S -O",
    "S D -O",
    "S D -S",
    "D S -S",
    "D S !O",
    "S D !S",
    "SD -O -S",
    "O S -O D -S",
]
QUICK = ["D S -O D -S"]

# What an import gives, and whether the original is whole.
PROBE = """
import base64, hashlib, importlib, importlib.metadata, json, os, pkgutil, sys
name, distribution, directory = sys.argv[1:]

def modules():
    return [key for key in sys.modules if key.partition(".")[0] == name]

def places():
    try:
        package = importlib.import_module(name)
        for one in pkgutil.iter_modules(package.__path__[:1]):
            try:
                importlib.import_module(f"{name}.{one.name}")
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] == name:  # else what it depends on
                    raise
        found = {os.path.relpath(sys.modules[key].__file__, directory) for key in modules()}
        # The folder of the package, in whatever folder of it a module is.
        return " ".join(sorted({f"{file.partition(f'{name}/')[0]}{name}" for file in found}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        for key in modules():
            del sys.modules[key]

def is_changed(file):
    if not file.locate().exists():
        return True
    digest = hashlib.sha256(file.locate().read_bytes()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value

facts = {"plain": places()}
os.environ["SELENITE_DROPIN"] = "original"
facts["asked"] = places()
try:
    files = importlib.metadata.files(distribution)
    # Commands of one name belong to whoever was installed last; the import decides whose code runs.
    own = [file for file in files if file.hash and file.parent.name != "bin"]
    facts["changed"] = [str(file) for file in own if is_changed(file)]
except importlib.metadata.PackageNotFoundError:
    facts["changed"] = []
facts["left"] = os.path.exists(os.path.join(directory, name))
print(json.dumps(facts))
"""


def run(*words: str | Path, fails: bool = False) -> str:
    """Run a command and return what it prints; it may fail only where that is said."""
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and not fails:
        raise SystemExit(f"error: {' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def make_wheel(house: Path, wanted: str, files: dict[str, str], requires: str = "") -> None:
    """Write a wheel of some files, or of none."""
    name, _, version = wanted.partition("==")
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    info = f"{stem}.dist-info"
    record = ""
    with ZipFile(house / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
            record += f"{path},sha256={digest.rstrip('=')},{len(text.encode())}\n"
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


@dataclass
class Case:
    """What is installed together: the package of an original, the original, its dependent."""

    name: str
    original: str
    dependent: str

    @property
    def distribution(self) -> str:
        """The original's distribution."""
        return self.original.partition("==")[0]


@dataclass
class Installer:
    """Installs from wheels at hand, with pip or uv."""

    tool: str
    house: Path
    wheel: Path
    dependencies: bool = True

    def __call__(
        self, environment: Path, verb: str, *words: str | Path, fails: bool = False
    ) -> str:
        """Run the tool for an environment."""
        python = environment / "bin" / "python"
        if self.tool == "uv":
            return run("uv", "pip", verb, "--python", python, *words, fails=fails)
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
        return run(*pip, verb, *words, fails=fails)

    def install(self, environment: Path, *words: str | Path) -> None:
        """Install packages."""
        source = ["--no-index", "--find-links", str(self.house)]
        source += ["--offline"] if self.tool == "uv" else ["--no-compile"]
        if not self.dependencies:
            # Of selenite's, which are not at hand.
            source += [] if words[0] != self.wheel else ["--no-deps"]
        self(environment, "install", "-q", *source, *words)

    def step(self, environment: Path, case: Case, step: str) -> None:
        """Do one step of an order."""
        packages: dict[str, str | Path] = {"S": self.wheel, "D": case.dependent, "O": case.original}
        if step[0] == "-":
            gone = "selenite" if step[1] == "S" else case.distribution
            self(environment, "uninstall", "-q", *([] if self.tool == "uv" else ["-y"]), gone)
        elif step[0] == "!":
            again = "--reinstall" if self.tool == "uv" else "--force-reinstall"
            self.install(environment, packages[step[1]], again, "--no-deps")
        else:
            self.install(environment, *(packages[one] for one in step))

    def complaints(self, environment: Path) -> list[str]:
        """What is missing, other than for selenite itself."""
        said = self(environment, "check", fails=True).splitlines()
        return [line for line in said if "requires" in line and "selenite" not in line]


def faults(install: Installer, environment: Path, case: Case, there: set[str]) -> Iterator[str]:
    """What is not as it should be when these are installed."""
    directory = next(environment.glob("lib/python*/site-packages"))
    python = environment / "bin" / "python"
    said = run(python, "-I", "-c", PROBE, case.name, case.distribution, directory)
    facts = json.loads(said)
    if "S" in there and facts["plain"] != f"selenite/dropin/{case.name}":
        yield f"with selenite: {facts['plain']}"
    if "O" in there and "S" not in there and facts["plain"] != case.name:
        yield f"without selenite: {facts['plain']}"
    if "O" in there and facts["asked"] != case.name:
        yield f"by the variable: {facts['asked']}"
    if facts["changed"]:
        yield f"not as they were: {facts['changed']}"
    if not there & {"O", "S"} and facts["left"]:
        yield "its directory is left"
    complaints = install.complaints(environment)
    if len(complaints) != ("D" in there and "O" not in there):
        yield f"complaints: {complaints}"


def follow(order: str, install: Installer, base: Path, case: Case) -> list[str]:
    """Go through an order in an environment of its own and return its faults."""
    found = []
    with tempfile.TemporaryDirectory() as work:
        environment = clone(base, Path(work))
        there: set[str] = set()
        for step in order.split():
            install.step(environment, case, step)
            if step[0] == "-":
                there.discard(step[1])
            else:
                there |= set(step.strip("!")) | ({"O"} if "D" in step else set())
            found += [f"{step}: {fault}" for fault in faults(install, environment, case, there)]
    return found


def clone(base: Path, work: Path) -> Path:
    """Copy an environment; its files are shared, since nobody writes into them."""
    run("cp", "-al", base, work / "environment")
    return work / "environment"


def without_original(way: str, install: Installer, base: Path, case: Case) -> list[str]:
    """Have no original at all, by a wheel of metadata alone or by an override of uv's."""
    with tempfile.TemporaryDirectory() as work:
        environment = clone(base, Path(work))
        words: list[str | Path] = [install.wheel, case.dependent]
        if way == "stand-in":
            make_wheel(Path(work), f"{case.original}+selenite.1", {})
            words += ["--find-links", work]
        else:
            override = Path(work, "override.txt")
            override.write_text(f"{case.distribution} ; sys_platform == 'never'\n")
            words += ["--override", override]
        install.install(environment, *words)
        there = {"S", "D"} | ({"O"} if way == "stand-in" else set())
        found = [
            fault for fault in faults(install, environment, case, there) if "variable" not in fault
        ]
        directory = next(environment.glob("lib/python*/site-packages"))
        if (directory / case.name / "__init__.py").exists():
            found.append("the original is installed")
        return found


def stand_ins(house: Path, names: list[str]) -> list[Case]:
    """Make originals of hardly any code, and a dependent of each."""
    cases = []
    for name in names:
        case = Case(name, ORIGINALS[name], f"needs-{name.replace('_', '-')}==1.0")
        files = {f"{name}/__init__.py": "from . import rest_url\n", f"{name}/rest_url.py": ""}
        make_wheel(house, case.original, files)
        make_wheel(house, case.dependent, {}, f"Requires-Dist: {case.distribution}\n")
        cases.append(case)
    return cases


def real(house: Path, names: list[str], wheel: Path) -> list[Case]:
    """Fetch the originals, their dependents and what all of them need."""
    cases = []
    for name in names:
        needs = f"needs-{name.replace('_', '-')}==1.0"
        cases += [Case(name, ORIGINALS[name], one) for one in DEPENDENTS[name] or [needs]]
        if not DEPENDENTS[name]:
            distribution = ORIGINALS[name].partition("==")[0]
            make_wheel(house, needs, {}, f"Requires-Dist: {distribution}\n")
    wanted = [*ORIGINALS.values(), *(one for name in names for one in DEPENDENTS[name])]
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q")
    run(*pip, "--find-links", house, "--wheel-dir", house, *wanted, wheel)
    (house / wheel.name).unlink()
    return cases


def main() -> int:
    """Go through the matrix."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--house", type=Path, default=None, metavar="DIRECTORY")
    given = parser.parse_args()
    wheel: Path = given.wheel.resolve()
    with ZipFile(wheel) as archive:
        tops = {file.partition("/")[0] for file in archive.namelist()}
    names = [name for name in ORIGINALS if name in tops]
    if not names:
        raise SystemExit(f"error: {wheel.name} has no drop-in")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        base = work / "base"
        house: Path = (given.house or work / "house").resolve()
        house.mkdir(parents=True, exist_ok=True)
        run(sys.executable, "-m", "venv", "--without-pip", base)
        if given.quick:
            # Without what selenite depends on, of which nothing is at hand.
            alone = [name for name in names if name not in ("girder_client", "pangea_api")]
            cases, orders, tools = stand_ins(house, alone), QUICK, ["pip"]
        else:
            cases, orders, tools = real(house, names, wheel), ORDERS, ["pip", "uv"]
            ours = {
                file.partition("==")[0]
                for case in cases
                for file in (case.original, case.dependent)
            }
            others = [
                file
                for file in house.glob("*.whl")
                if file.name.partition("-")[0].replace("_", "-") not in ours
            ]
            Installer("pip", house, wheel).install(base, *others, "--no-deps")
        runs: list[tuple[str, Callable[[], list[str]]]] = []
        for tool in tools:
            install = Installer(tool, house, wheel, dependencies=not given.quick)
            for case in cases:
                for order in orders:
                    what = f"{tool:4} {case.dependent:20} {order}"
                    runs.append((what, partial(follow, order, install, base, case)))
                for way in [] if given.quick else ["stand-in", "override"]:
                    if way == "stand-in" or tool == "uv":
                        what = f"{tool:4} {case.dependent:20} {way}"
                        runs.append((what, partial(without_original, way, install, base, case)))
        begin = time.monotonic()
        bad = 0
        with ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda one: one[1](), runs)
            for (what, _), found in zip(runs, results, strict=True):
                print(f"{what:45} {'; '.join(found) or 'ok'}", flush=True)
                bad += bool(found)
    print(f"{len(runs)} orders, {bad} with faults, {time.monotonic() - begin:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
