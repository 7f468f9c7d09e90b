"""``selenite verify``: files compared with their manifest."""

from __future__ import annotations

import os
from pathlib import Path

import click

from selenite import _core
from selenite._display import count_text
from selenite._failures import asking
from selenite._manifest import Check, Finding
from selenite._place import Place
from selenite._registry import Version
from selenite.cli._common import Options, argument, command, flag, option
from selenite.cli._complete import AddressType
from selenite.cli._errors import DAMAGED, NOT_FOUND, USAGE, CommandError
from selenite.cli._output import Output, sized
from selenite.cli._target import entries_of, parse, registry, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# Project, asset and version.
_LEVELS = 3


@command(
    "verify",
    argument("what", metavar="ADDRESS|DIRECTORY", type=AddressType()),
    option("--against", metavar="ADDRESS", help="Which version the directory is to be."),
    flag("--fail-on-extra", help="Files that the manifest does not have are faults, too."),
    flag("--size-only", help="Compare sizes, and read no content."),
    examples=(
        "selenite verify gobbler:demo/rna/v2",
        "selenite verify gypsum:demo/rna/v2/tables",
        "selenite verify results --against gypsum:demo/rna/v3 --fail-on-extra",
    ),
)
def verify(
    options: Options, what: str, against: str | None, fail_on_extra: bool, size_only: bool
) -> None:
    """Compare files with their manifest: of a version that is here or cached, or of a directory.

    An address may name a folder or a file of a version: only that is compared. A directory is laid
    out like the whole version, as by `selenite get`.

    Prints what differs. The exit status is 6 if something does.
    """
    target = parse(what)
    directory: str | None = None
    if target.scheme is not None:
        if against is not None:
            raise click.UsageError("`--against` is for directories")
        target = registry(what, options, least=2)
        version = version_of(target, options)
    else:
        directory = what
        if not Path(what).is_dir():
            raise CommandError(NOT_FOUND, f"`{what}` is no directory")
        if against is None:
            version = _kept(Path(what))
        else:
            target = registry(against, options, least=2)
            version = version_of(target, options)
    if target.path is not None:
        entries_of(version.manifest, target)  # says what is wrong with it
    check = _checked(version, directory, target.path, size_only, fail_on_extra)
    counts = dict.fromkeys(("ok", "missing", "differs", "extra"), 0)
    options.address = version.address
    output = Output(options, version.address)

    def found() -> Iterator[dict[str, Any]]:
        # As they come: there may be a million of them.
        for one in check:
            counts[one.state] += 1
            if one.state != "ok" or not output.is_human:
                yield _item(one)

    output.items(
        found(), lambda one: _line(output, one), lambda one: str(one["path"]), counts=lambda: counts
    )
    told = [count_text(sum(counts.values()) - counts["extra"], "file")]
    told += [f"{count:,} {state}" for state, count in counts.items() if count or state == "ok"]
    if output.is_human:
        output.write(f"{told[0]}: {', '.join(told[1:])}")
    is_faulty = not check or (fail_on_extra and counts["extra"])
    click.get_current_context().exit(DAMAGED if is_faulty else 0)


def _checked(
    version: Version, directory: str | None, path: str | None, size_only: bool, extra: bool
) -> Check:
    if directory is None:
        with asking(version._place, version._resolved()):
            place = _core.registry_folder(version._place.native, version._path())
        if not Path(place).is_dir():
            raise CommandError(
                NOT_FOUND,
                f"{version.address} is not on this machine",
                "`selenite get` fetches and verifies it",
                address=version.address,
            )
    return version.verify(directory, path=path, size_only=size_only, find_extra=extra)


def _kept(directory: Path) -> Version:
    """Name the version that a directory of a registry, or of a cache, is."""
    found = Path(os.path.abspath(directory))  # noqa: PTH100 (links stay as they are)
    if not (found / "..manifest").is_file() or len(found.parents) < _LEVELS:
        raise CommandError(
            USAGE,
            f"`{directory}` holds no `..manifest`",
            "`--against` names the version that it is to be",
        )
    root = found.parents[_LEVELS - 1]
    return Version(Place("gobbler", registry=str(root)), *found.relative_to(root).parts)


def _item(found: Finding) -> dict[str, Any]:
    expected = None if found.size is None else {"size": found.size, "md5sum": found.md5sum}
    actual = None
    if found.state == "differs":
        actual = {"size": found.actual_size, "md5sum": found.actual_md5sum}
    return {"path": found.path, "state": found.state, "expected": expected, "actual": actual}


def _line(output: Output, one: dict[str, Any]) -> str:
    state = output.styled(f"{one['state']:7}", "missing" if one["state"] == "missing" else None)
    line = f"{state}  {output.shown(one['path'])}"
    expected, actual = one["expected"], one["actual"]
    if one["state"] != "differs" or actual is None:
        return line
    if actual["size"] is not None and actual["size"] != expected["size"]:
        return f"{line}  {sized(actual['size'])} instead of {sized(expected['size'])}"
    if actual["md5sum"]:
        return f"{line}  MD5 {actual['md5sum']} instead of {expected['md5sum']}"
    return line
