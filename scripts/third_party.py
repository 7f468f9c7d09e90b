#!/usr/bin/env python3
"""Write down whose code a wheel holds.

    third_party.py [--check]

THIRD-PARTY-LICENSES.txt has the licences of all crates that are linked, selenite.cdx.json is the
bill of materials (CycloneDX); every wheel carries both. With --check, fails if they are out of
date. What is linked is taken from cargo's metadata, the texts from the crates themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
)
NAMES = ("LICEN", "COPYING", "NOTICE", "UNLICENSE")
HEAD = """\
The compiled part of selenite holds the code of the crates below, under their licences, and the
standard library of Rust (The Rust Project contributors; MIT OR Apache-2.0).
"""
RULE = "=" * 100


Package = dict[str, Any]


def linked() -> tuple[Package, list[Package], dict[str, list[str]]]:
    """Our package, those that are linked on any of the systems, and which links which."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    for system in SYSTEMS:
        command += ["--filter-platform", system]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    metadata = json.loads(ran.stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    users: dict[str, list[str]] = {}
    ahead = [root]
    while ahead:
        name = ahead.pop()
        if name not in users:
            users[name] = [
                dependency["pkg"]
                for dependency in nodes[name]["deps"]
                if any(kind["kind"] is None for kind in dependency["dep_kinds"])
                and not is_macro(packages[dependency["pkg"]])
            ]
            ahead += users[name]
    others = (packages[name] for name in users if name != root)
    return (
        packages[root],
        sorted(others, key=lambda package: (package["name"], package["version"])),
        {
            reference(packages[name]): sorted(reference(packages[used]) for used in users[name])
            for name in users
        },
    )


def is_macro(package: Package) -> bool:
    """Whether it runs in the compiler only."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def reference(package: Package) -> str:
    """The package URL."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def texts(package: Package) -> Iterator[str]:
    """The licences and notices in a crate and in the C code that it brings."""
    folder = Path(package["manifest_path"]).parent
    places = [folder, *(place.parent for place in sorted(folder.glob("*/**/LICENSE")))]
    for place in dict.fromkeys(places):
        for file in sorted(place.iterdir()):
            if file.is_file() and file.name.upper().startswith(NAMES):
                yield file.read_text(errors="replace").strip()


def licences(packages: list[Package]) -> str:
    """The content of THIRD-PARTY-LICENSES.txt."""
    users: dict[str, list[str]] = defaultdict(list)
    written: dict[str, str] = {}
    for package in packages:
        name = f"{package['name']} {package['version']} ({package['license']})"
        found = list(texts(package))
        if not found:
            raise SystemExit(f"error: {name} brings no text of its licence")
        for text in found:
            words = " ".join(text.split())
            written.setdefault(words, text)
            if name not in users[words]:
                users[words].append(name)
    names = [
        f"{package['name']} {package['version']}: {package['license']}" for package in packages
    ]
    parts = ["\n".join([HEAD, *names])]
    parts += [
        "\n".join([*users[words], "", *(line.rstrip() for line in written[words].splitlines())])
        for words in written
    ]
    return f"\n\n{RULE}\n\n".join(parts) + "\n"


def bill(ours: Package, packages: list[Package], links: dict[str, list[str]]) -> str:
    """The content of selenite.cdx.json."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(crate["name"], crate["version"]): crate.get("checksum") for crate in lock["package"]}

    def component(package: Package) -> dict[str, Any]:
        return {
            "type": "library",
            "bom-ref": reference(package),
            "name": package["name"],
            "version": package["version"],
            "licenses": [{"expression": package["license"].replace("/", " OR ")}],
        }

    def foreign(package: Package) -> dict[str, Any]:
        content = sums[package["name"], package["version"]]
        hashes = [{"alg": "SHA-256", "content": content}]
        return {**component(package), "purl": reference(package), "hashes": hashes}

    return (
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.5",
                "version": 1,
                "metadata": {
                    "component": {
                        **component(ours),
                        "purl": f"pkg:pypi/{ours['name']}@{ours['version']}",
                    }
                },
                "components": [foreign(package) for package in packages],
                "dependencies": [
                    {"ref": name, "dependsOn": used} for name, used in sorted(links.items())
                ],
            },
            indent=1,
        )
        + "\n"
    )


def main() -> None:
    """Write the files, or compare them."""
    ours, packages, links = linked()
    for name, content in (
        ("THIRD-PARTY-LICENSES.txt", licences(packages)),
        ("selenite.cdx.json", bill(ours, packages, links)),
    ):
        file = ROOT / name
        if "--check" not in sys.argv[1:]:
            file.write_text(content)
        elif not file.exists() or file.read_text() != content:
            raise SystemExit(f"error: {name} is out of date; run scripts/third_party.py")


if __name__ == "__main__":
    main()
