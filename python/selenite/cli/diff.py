"""``selenite diff``: two versions or directories compared."""

from __future__ import annotations

from pathlib import Path

from selenite._manifest import Manifest
from selenite.cli._common import Options, argument, command, flag
from selenite.cli._complete import AddressType
from selenite.cli._errors import NOT_FOUND, CommandError
from selenite.cli._output import Output, sized
from selenite.cli._target import entries_of, parse, registry, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Rows = Iterable[dict[str, Any]]

_SIGNS = {"added": "+", "removed": "-", "changed": "*"}
_WIDEST_NAME = 60


@command(
    "diff",
    argument("a", type=AddressType()),
    argument("b", type=AddressType()),
    flag("--summary", help="Only the total."),
    flag("--name-only", help="Only the paths."),
    examples=(
        "selenite diff gobbler:demo/rna/v1 gobbler:demo/rna/v2",
        "selenite diff gypsum:demo/rna/@latest results --name-only",
    ),
)
def diff(options: Options, a: str, b: str, summary: bool, name_only: bool) -> None:
    """Compare the files of A and B, by their digests: `+` new in B, `-` not in B, `*` changed."""
    rows, counts = _compared(options, a, b)
    output = Output(options)
    if not output.is_human:
        output.items(
            () if summary else rows(), str, lambda one: str(one["path"]), a=a, b=b, **counts
        )
        return
    if name_only:
        for one in rows():
            output.write(output.shown(one["path"]))
        return
    if not summary:
        longest = max((len(output.shown(one["path"])) for one in rows()), default=0)
        width = min(longest, _WIDEST_NAME)
        for one in rows():
            output.write(_line(output, one, width))
    kinds = ("added", "changed", "removed", "equal")
    output.write(", ".join(f"{counts[kind]:,} {kind}" for kind in kinds))


def _line(output: Output, one: dict[str, Any], width: int) -> str:
    sizes = [sized(one[name]) for name in ("size_a", "size_b") if one[name] is not None]
    return f"{_SIGNS[one['change']]} {output.shown(one['path']):<{width}}  {' -> '.join(sizes)}"


def _compared(options: Options, a: str, b: str) -> tuple[Any, dict[str, int]]:
    """Compare; give a function that iterates over the changes, and their numbers."""
    manifests = [_manifest(options, one) for one in (a, b)]
    if all(manifest is not None for manifest in manifests):
        first, second = manifests
        assert first is not None
        assert second is not None
        found = first.diff(second)
        return lambda: (change._asdict() for change in found), found.counts()
    sides = [
        _of_directory(one) if manifest is None else _of_manifest(manifest)
        for one, manifest in zip((a, b), manifests, strict=True)
    ]
    changes = list(_changes(*sides))
    counts = dict.fromkeys((*_SIGNS, "equal"), 0)
    for change in changes:
        counts[change["change"]] += 1
    counts["equal"] = len(sides[1]) - counts["added"] - counts["changed"]
    return lambda: iter(changes), counts


def _manifest(options: Options, text: str) -> Manifest | None:
    """Give the manifest of a version, None for a directory."""
    if parse(text).scheme is None:
        if not Path(text).is_dir():
            raise CommandError(NOT_FOUND, f"`{text}` is no directory")
        return None
    target = registry(text, options, least=2)
    manifest = version_of(target, options).manifest
    if target.path is None:
        return manifest
    entries_of(manifest, target)  # says what is wrong with it
    return manifest.part(target.path)


def _of_manifest(manifest: Manifest) -> dict[str, tuple[int, str]]:
    return {entry.path: (entry.size, entry.md5sum) for entry in manifest.entries()}


def _of_directory(directory: str) -> dict[str, tuple[int, str]]:
    from selenite.cli.manifest import described

    return {one["path"]: (one["size"], one["md5sum"]) for one in described(directory)}


def _changes(
    a: dict[str, tuple[int, str]], b: dict[str, tuple[int, str]]
) -> Iterator[dict[str, Any]]:
    for path in sorted({*a, *b}):
        old, new = a.get(path), b.get(path)
        if old == new:
            continue
        change = "added" if old is None else "removed" if new is None else "changed"
        sizes = {"size_a": old and old[0], "size_b": new and new[0]}
        yield {"path": path, "change": change, **sizes}
