"""Check what `scripts/release` has built: each file is as the documents say.

    artefact.py PLACE... -- FILE...

A PLACE is the name of a folder of this machine that no wheel may hold.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

NEEDED = {
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "build.rs",
    "THIRD-PARTY-LICENSES.txt",
    "pyproject.toml",
    "selenite.cdx.json",
}
FOLDERS = {"build_backend", "benches", "docs", "python", "src", "tests"}
LITTER = re.compile(r"(^|/)(\..*|.*\.(so|pyc|pyd|dylib)|__pycache__|target)(/|$)")
NEWEST_GLIBC = (2, 17)
LIBRARIES = re.compile(r"(ld-linux-.*|lib(c|m|dl|pthread|rt|gcc_s))\.so(\.\d+)?")


def expect(truth: object, what: str) -> None:
    """Fail with `what` unless it holds."""
    if not truth:
        raise ValueError(what)


def content(file: Path) -> Iterator[tuple[str, bytes]]:
    """Names and content of the files in a wheel or an sdist."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
    else:
        with tarfile.open(file) as sdist:
            for member in sdist:
                stream = sdist.extractfile(member)
                yield member.name.partition("/")[2], stream.read() if stream else b""


def check_sdist(names: set[str]) -> None:
    """What it takes to build is there, and nothing that has no place in it."""
    tops = {name.split("/")[0] for name in names}
    expect(names >= NEEDED, f"missing: {sorted(NEEDED - names)}")
    expect(tops >= {"src", "python", "tests"}, "a folder is missing")
    others = {top for top in tops - FOLDERS if top not in NEEDED}
    expect(not others, f"not needed: {sorted(others)}")
    litter = sorted(name for name in names if LITTER.search(name))
    expect(not litter, f"litter: {litter[:3]}")


def check_wheel(names: set[str], libc: str) -> None:
    """Licences, the bill of materials, and a module for each of the drop-in packages."""
    for ending in (
        "licenses/LICENSE",
        "licenses/THIRD-PARTY-LICENSES.txt",
        "sboms/selenite.cdx.json",
    ):
        expect(any(name.endswith(ending) for name in names), f"no {ending} in {libc}")
    expect("selenite/_core.abi3.so" in names, "no selenite/_core.abi3.so")
    packages = {name.split("/")[2] for name in names if re.match(r"selenite/dropin/\w+/", name)}
    for package in packages:
        expect(f"{package}/__init__.abi3.so" in names, f"no {package}/__init__.abi3.so")


def check_library(name: str, data: bytes) -> str:
    """It is stripped, hardened, and needs no C library newer than an old one; says which."""
    elf = ELFFile(io.BytesIO(data))
    expect(elf.get_section_by_name(".symtab") is None, f"{name} has symbols")
    segments = {segment["p_type"]: segment["p_flags"] for segment in elf.iter_segments()}
    expect("PT_GNU_RELRO" in segments, f"{name} has no RELRO")
    expect(not segments.get("PT_GNU_STACK", 1) & 1, f"{name} has a stack that can be executed")
    dynamic = elf.get_section_by_name(".dynamic")
    expect(isinstance(dynamic, DynamicSection), f"{name} is no library")
    tags = {tag.entry.d_tag: tag for tag in dynamic.iter_tags()}
    expect("DT_FLAGS" in tags and tags["DT_FLAGS"].entry.d_val & 8, f"{name} is bound lazily")
    expect(not {"DT_RPATH", "DT_RUNPATH", "DT_TEXTREL"} & set(tags), f"{name} has a search path")
    needed = [tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
    foreign = [library for library in needed if not LIBRARIES.fullmatch(library)]
    expect(not foreign, f"{name} needs {foreign}")
    versions = {
        auxiliary.name
        for section in [elf.get_section_by_name(".gnu.version_r")]
        if section is not None
        for _, auxiliaries in section.iter_versions()
        for auxiliary in auxiliaries
    }
    glibc = [
        tuple(map(int, version.removeprefix("GLIBC_").split(".")))
        for version in versions
        if version.startswith("GLIBC_")
    ]
    newest = max(glibc, default=())
    expect(newest <= NEWEST_GLIBC, f"{name} needs glibc {newest}")
    if name.endswith("_core.abi3.so"):
        symbols = {symbol.name for symbol in elf.get_section_by_name(".dynsym").iter_symbols()}
        expect("__stack_chk_fail" in symbols, f"{name} has no stack protector")
        expect("__memcpy_chk" in symbols, f"{name} is not fortified")
    return f"{name}: {len(data)} bytes, glibc {'.'.join(map(str, newest))}"


def run(*command: str) -> str:
    """What a command says; fails if it does."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    expect(ran.returncode == 0, f"{' '.join(command)}:\n{ran.stdout}")
    return ran.stdout


def check(file: Path, places: list[bytes]) -> None:
    """Check one file."""
    files = dict(content(file))
    run("twine", "check", "--strict", str(file))
    if file.suffix != ".whl":
        check_sdist({name for name, data in files.items() if data})
        print(f"{file.name}: {len(files)} files, {file.stat().st_size / 1e6:.2f} MB")
        return
    check_wheel(set(files), file.name)
    for name, data in files.items():
        for place in places:
            expect(place not in data, f"{name} names {place.decode()}")
        if data.startswith(b"\x7fELF"):
            print(check_library(name, data))
    run("abi3audit", "--strict", str(file))
    told = " ".join(run("auditwheel", "show", str(file)).split())
    tag = re.search(r'following platform tag: "(\w+)"', told)
    expect(tag and tag[1] in file.name, f"auditwheel: {told}")
    print(f"{file.name}: {tag and tag[1]}, {file.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Check all files."""
    middle = sys.argv.index("--")
    places = [place.encode() for place in sys.argv[1:middle]]
    try:
        for name in sys.argv[middle + 1 :]:
            check(Path(name), places)
    except ValueError as error:
        raise SystemExit(f"error: {name}: {error}") from None


if __name__ == "__main__":
    main()
