"""What the documentation shows is what happens."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.tree import EMPTY, Link, Tree, make

ROOT = Path(__file__).parents[2]
REPOSITORY = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["repository"]
PAGES = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]


def blocks(page: str) -> str:
    """The Python blocks of a page, as one program."""
    found = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
    return "\n".join(found)


def with_checks(code: str) -> str:
    """The program, with every expression followed by a comment turned into a comparison."""
    lines = code.splitlines()
    checked, last = [], 0
    for node in ast.parse(code).body:
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.Expr) and end < len(lines) and lines[end].startswith("# "):
            shown = lines[end].removeprefix("# ")
            checked += lines[last : node.lineno - 1]
            checked.append(f"shown = {ast.unparse(node.value)}")
            checked.append(f"assert repr(shown) == {shown!r}, shown")
            last = end
    return "\n".join([*checked, *lines[last:]])


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_the_examples_do_what_they_show(page: str, tmp_path: Path) -> None:
    code = with_checks(blocks(page))
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + code
    assert done.stderr == ""


def test_results_are_shown_and_checked() -> None:
    assert with_checks(blocks("README.md")).count("assert repr(shown)") >= 6


@pytest.mark.parametrize("given", [True, False])
def test_the_walkthrough_prints_what_happens(tmp_path: Path, given: bool) -> None:
    arguments = []
    if given:
        tree: Tree = {"a b/c.txt": "text", "#?": "odd", "empty": EMPTY, "link": Link("a b/c.txt")}
        arguments = [str(make(tmp_path / "mine", tree))]
    command = [sys.executable, "-P", str(ROOT / "scripts" / "walkthrough.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("All went well.\n")
    assert ("3 files" if given else "202 files") in done.stdout


def heading_anchors(page: Path) -> set[str]:
    """What links to the headings of a page end with."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    home = re.escape(f"{REPOSITORY}/blob/main/")
    for target, anchor in re.findall(rf"\]\((?:{home}|(?!https?:))([^)#]*)#?([^)]*)\)", text):
        base = ROOT if f"{REPOSITORY}/blob/main/{target}" in text else (ROOT / page).parent
        found = base / target if target else ROOT / page
        assert found.exists(), target
        if anchor:
            assert anchor in heading_anchors(found), f"{target}#{anchor}"


def test_links_of_the_readme_lead_somewhere_from_everywhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert len(targets) > 10
    assert [target for target in targets if not target.startswith("https://")] == []


def test_the_scripts_of_the_readme_can_be_run() -> None:
    for name in ("walkthrough", "test"):
        assert f"scripts/{name}" in (ROOT / "README.md").read_text()
        assert os.access(ROOT / "scripts" / name, os.X_OK)
