"""The modules import one another in one direction."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "python" / "selenite"


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All of a tree but what is only there for type checkers."""
    if not (isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING"):
        yield tree
        for child in ast.iter_child_nodes(tree):
            yield from nodes(child)


def imported(path: Path, module: str) -> Iterator[str]:
    """All names that a module imports, also those of functions, but those for types alone."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
            origin = ".".join(filter(None, [base if node.level else "", node.module]))
            yield origin
            yield from (f"{origin}.{name.name}" for name in node.names)


def modules() -> dict[str, set[str]]:
    """Which modules each module imports."""
    files = {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in ROOT.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        names = {f"selenite.dropin.{name}" for name in imported(path, module)}
        names |= set(imported(path, module))
        used = {name for name in names if name in files and name != module}
        # A package is imported with each of its parts.
        found[module] = {one for one in used if not any(o.startswith(f"{one}.") for o in used)}
    return found


def test_no_modules_import_one_another_in_a_circle() -> None:
    left = modules()
    assert left["selenite.dropin.gypsum_client.auth"] > {"selenite.dropin.gypsum_client._github"}
    while ends := [module for module, used in left.items() if not used]:
        for module in ends:
            del left[module]
        for used in left.values():
            used.difference_update(ends)
    assert left == {}
