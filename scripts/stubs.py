#!/usr/bin/env python3
"""Write the type stubs of the drop-in packages: scripts/stubs.py [--check].

What `import NAME` gives is code of `selenite.dropin.NAME`; type checkers learn it from a stub
`python/NAME/MODULE.pyi` for each of its modules, which says where every name comes from. With
`--check`, nothing is written, and stubs that are not as they should be are an error.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[1] / "python"
KINDS = {".pyi", ".typed"}
MADE = "# Made by scripts/stubs.py.\n"


def names(module: Path) -> Iterator[tuple[str, str, str]]:
    """Where the names of a module come from, itself or a neighbour, and what they are there."""
    package = ".".join(module.parent.relative_to(PYTHON).parts)
    own = package if module.stem == "__init__" else f"{package}.{module.stem}"
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield own, node.name, node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield own, node.target.id, node.target.id
        elif isinstance(node, ast.Assign):
            targets = [target for target in node.targets if isinstance(target, ast.Name)]
            yield from ((own, target.id, target.id) for target in targets)
        elif isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
                place = f"{above}.{node.module}" if node.module else above
                yield place, alias.name, alias.asname or alias.name


def stub(module: Path) -> str:
    """The text of a module's stub."""
    lines = {f"from {place} import {name} as {here}\n" for place, name, here in names(module)}
    return MADE + "".join(sorted(lines))


def stubs() -> dict[Path, str]:
    """All files of the directories of stubs."""
    made = {}
    for module in sorted(PYTHON.glob("selenite/dropin/*/**/*.py")):
        if module.parent.name == "_absent":  # of the original alone, which has no stubs
            continue
        place = PYTHON / module.relative_to(PYTHON / "selenite" / "dropin")
        made[place.with_suffix(".pyi")] = stub(module)
        if module.name == "__init__.py":
            made[place.with_name("py.typed")] = ""
    return made


def main() -> int:
    """Write or check."""
    made = stubs()
    directories = {file.parent for file in made}
    found = {file for one in directories for file in one.glob("*.*") if file.suffix in KINDS}
    stale = sorted(found - set(made))
    changed = [file for file, text in made.items() if file not in found or file.read_text() != text]
    if "--check" in sys.argv[1:]:
        for file in [*stale, *changed]:
            print(f"{file.relative_to(PYTHON.parent)} is not what scripts/stubs.py writes")
        return 1 if stale or changed else 0
    for file in stale:
        file.unlink()
    for file in changed:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made[file])
    print(f"{len(made)} stubs, {len(changed)} written, {len(stale)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
