"""``selenite tree``: the files of a version as a tree."""

from __future__ import annotations

import sys

import click

from selenite._display import count_text
from selenite.cli._common import Options, argument, command, flag, option
from selenite.cli._complete import AddressType
from selenite.cli._output import Output, sized
from selenite.cli._target import entries_of, registry, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from selenite._manifest import Manifest

# Before an item that others follow, before the last one, and before what is in them.
_UNICODE = ("├── ", "└── ", "│   ", "    ")
_ASCII = ("|-- ", "`-- ", "|   ", "    ")


@command(
    "tree",
    argument("address", type=AddressType()),
    option("-L", "depth", metavar="N", type=click.IntRange(min=1), help="So many levels."),
    flag("--sizes", help="With sizes."),
    flag("--dirs", help="Only directories."),
    flag("--ascii", help="Without lines of Unicode."),
    examples=("selenite tree gypsum:celldex/immgen/@latest -L 2 --sizes",),
)
def tree(
    options: Options, address: str, depth: int | None, sizes: bool, dirs: bool, ascii: bool
) -> None:
    """Show the files of a version, or of a folder in it, as a tree."""
    target = registry(address, options, least=2)
    manifest = version_of(target, options).manifest
    entries_of(manifest, target)  # says what is wrong with it
    folder = target.path or ""
    output = Output(options, options.address)
    files, size = manifest.sums(folder)
    if output.form in ("json", "jsonl"):
        children = _nested(manifest, folder, depth, dirs)
        output.facts({"children": children, "files": files, "bytes": size}, (), None)
        return
    is_plain = ascii or (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    output.write(output.shown(str(options.address)))
    marks = _ASCII if is_plain else _UNICODE
    for line in _lines(output, manifest, folder, depth, sizes, dirs, marks, ""):
        output.write(line)
    output.note(f"{count_text(files, 'file')}, {sized(size)}")


def _within(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _lines(
    output: Output,
    manifest: Manifest,
    folder: str,
    depth: int | None,
    sizes: bool,
    dirs: bool,
    marks: tuple[str, str, str, str],
    before: str,
) -> Iterator[str]:
    children = [one for one in manifest.children(folder) if one.is_directory or not dirs]
    for number, child in enumerate(children, 1):
        is_last = number == len(children)
        path = _within(folder, child.name)
        size, link = "", ""
        if child.entry is not None and not child.is_directory:
            size = f"  {sized(child.entry.size)}" if sizes else ""
            link = f" -> {output.shown(child.entry.link)}" if child.entry.link else ""
        elif sizes:
            size = f"  {sized(manifest.sums(path)[1])}"
        style = "directory" if child.is_directory else "link" if link else None
        name = output.styled(output.shown(child.name), style)
        slash = "/" if child.is_directory else ""
        yield f"{before}{marks[is_last]}{name}{slash}{size}{link}"
        if child.is_directory and (depth is None or depth > 1):
            deeper = None if depth is None else depth - 1
            inner = before + marks[2 + is_last]
            yield from _lines(output, manifest, path, deeper, sizes, dirs, marks, inner)


def _nested(manifest: Manifest, folder: str, depth: int | None, dirs: bool) -> list[dict[str, Any]]:
    found = []
    for child in manifest.children(folder):
        path = _within(folder, child.name)
        if child.is_directory:
            files, size = manifest.sums(path)
            one: dict[str, Any] = {
                "name": child.name,
                "type": "directory",
                "files": files,
                "size": size,
            }
            if depth is None or depth > 1:
                one["children"] = _nested(
                    manifest, path, None if depth is None else depth - 1, dirs
                )
            found.append(one)
        elif not dirs:
            assert child.entry is not None
            entry = child.entry
            found.append(
                {
                    "name": child.name,
                    "type": "file",
                    "size": entry.size,
                    "md5sum": entry.md5sum,
                    "link": entry.link,
                }
            )
    return found
