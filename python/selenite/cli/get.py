"""``selenite get``: files and versions, verified."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from selenite._display import count_text
from selenite._progress import tracking
from selenite._registry import _refuse_full
from selenite.cli._common import Options, argument, command, dry_run, flag, option, patterns
from selenite.cli._complete import AddressType
from selenite.cli._errors import CONFLICT, USAGE, CommandError
from selenite.cli._output import Output, sized
from selenite.cli._target import (
    entries_of,
    file_of,
    parse,
    registry,
    version_of,
    wanted,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from selenite._manifest import Entry, Manifest
    from selenite._registry import Version
    from selenite.cli._target import Target


@command(
    "get",
    argument("addresses", nargs=-1, required=True, type=AddressType(), metavar="ADDRESS... [DEST]"),
    *patterns(),
    flag("--overwrite", help="Replace files that are there and differ."),
    flag("--no-verify", help="Believe what comes."),
    option(
        "--link",
        type=click.Choice(["auto", "hard", "copy"]),
        default="auto",
        help="Whether files of DEST are copies (auto, copy) or hard links into the cache.",
    ),
    dry_run(),
    examples=(
        "selenite get gypsum:celldex/immgen/@latest",
        "selenite get gobbler:demo/rna/v1 results --include '*.csv'",
        "selenite get gobbler:demo/rna/v1/notes.txt -",
    ),
)
def get(
    options: Options,
    addresses: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    overwrite: bool,
    no_verify: bool,
    link: str,
    dry_run: bool,
) -> None:
    """Fetch files or versions.

    Without DEST they are in the cache afterwards, or where the registry is, and their paths are
    printed. With DEST they are copied there. DEST `-` is standard output, for one file.
    """
    if no_verify:
        os.environ["SELENITE_VERIFY"] = "off"
    sources, destination = _split(addresses)
    if any(source.startswith("girder:") for source in sources):
        from selenite.cli._girder import get as girder_get

        girder_get(options, sources, destination, dry_run=dry_run)
        return
    targets = [registry(source, options, least=2) for source in sources]
    choice = (include, exclude)
    if destination == "-":
        _to_stdout(options, targets)
        return
    if dry_run:
        _plan(options, targets, destination, choice)
        return
    output = Output(options)
    # In one go, so that what was fetched is told even if a later one fails.
    output.items(
        (_fetched(options, target, destination, choice, overwrite, link) for target in targets),
        lambda one: output.shown(one["path"]),
        lambda one: str(one["path"]),
    )


def _split(addresses: tuple[str, ...]) -> tuple[list[str], str | None]:
    """Tell the destination from the addresses: the last one, if it is none."""
    sources = list(addresses)
    destination = None
    if len(sources) > 1 and (sources[-1] == "-" or parse(sources[-1]).scheme is None):
        destination = sources.pop()
    for source in sources:
        if parse(source).scheme is None:
            hint = "addresses begin with `gobbler:` or `gypsum:`"
            raise CommandError(USAGE, f"`{source}` is no address of a registry", hint)
    return sources, destination


def _to_stdout(options: Options, targets: list[Target]) -> None:
    if len(targets) != 1 or targets[0].path is None:
        raise click.UsageError("only one file can be written to standard output")
    version = version_of(targets[0], options)
    with version.open(file_of(version.manifest, targets[0]).path) as file:
        shutil.copyfileobj(file, sys.stdout.buffer, 8 << 20)
    sys.stdout.buffer.flush()


def _chosen(
    version: Version, target: Target, choice: tuple[tuple[str, ...], tuple[str, ...]]
) -> Manifest:
    """Choose the files of a version that are meant."""
    manifest = version.manifest
    if target.path is not None:
        entries_of(manifest, target)  # says what is wrong with it
        begin, end = manifest._table.below(target.path)
        manifest = type(manifest)(manifest._table.pick(range(begin, end)), manifest.address)
    return wanted(manifest, *choice) if any(choice) else manifest


def _fetched(
    options: Options,
    target: Target,
    destination: str | None,
    choice: tuple[tuple[str, ...], tuple[str, ...]],
    overwrite: bool,
    link: str,
) -> dict[str, Any]:
    version = version_of(target, options)
    entry = version.manifest.get(target.path) if target.path is not None else None
    if entry is not None and not entry.is_directory:
        if target.is_folder:
            entries_of(version.manifest, target)
        return _file(version, entry, destination, overwrite, link)
    chosen = _chosen(version, target, choice)
    files, size = chosen.files, chosen.total_bytes
    facts = {"address": options.address, "files": files, "bytes": size}
    if destination is not None:
        place, cached, verified = _into(version, chosen, Path(destination), overwrite, link)
        return {"path": str(place), **facts, "cached": cached, "verified": verified}
    root = _root(version)
    _refuse_full(root, chosen)
    if not any(choice) and target.path is None:
        place = version.path(overwrite=overwrite)
    else:
        for one in chosen.entries():
            place = version.path(one.path, overwrite=overwrite)
        place = root if target.path is None else root / target.path
    return {"path": str(place), **facts, "cached": None, "verified": None}


def _root(version: Version) -> Path:
    """Say which directory holds the version, or will."""
    from selenite import _core

    return Path(_core.registry_folder(version._place.native, version._path()))


def _into(
    version: Version, chosen: Manifest, destination: Path, overwrite: bool, link: str
) -> tuple[Path, int | None, int | None]:
    if link != "hard":
        try:
            counts = _copied(version, chosen, destination, overwrite)
        except FileExistsError as error:
            if error.filename is None or not destination.is_dir():
                raise
            raise _taken(Path(os.fsdecode(error.filename))) from error
        return destination, counts[1], counts[0] + counts[1]
    with tracking("link", version.address):
        for entry in chosen.entries():
            if not entry.is_directory:
                _link(version.path(entry.path), destination / entry.path, overwrite)
    return destination, None, None


def _copied(
    version: Version, chosen: Manifest, destination: Path, overwrite: bool
) -> tuple[int, int, int]:
    from selenite import _core
    from selenite._failures import asking

    _refuse_full(destination, chosen)
    with (
        tracking("get", version.address) as progress,
        asking(version._place, version._resolved()),
    ):
        return _core.registry_get(
            version._place.native,
            version._path(),
            chosen._table,
            destination,
            0,
            progress,
            overwrite=overwrite,
        )


def _file(
    version: Version, entry: Entry, destination: str | None, overwrite: bool, link: str
) -> dict[str, Any]:
    found = version.path(entry.path, overwrite=overwrite and destination is None)
    facts = {"address": f"{version.address}/{entry.path}", "files": 1, "bytes": entry.size}
    if destination is not None:
        place = Path(destination)
        if place.is_dir() or destination.endswith("/"):
            place = place / entry.path.rsplit("/", 1)[-1]
        if link == "hard":
            _link(found, place, overwrite)
        else:
            _copy(found, place, entry, overwrite)
        found = place
    return {"path": str(found), **facts, "cached": None, "verified": None}


def _taken(place: Path) -> CommandError:
    return CommandError(CONFLICT, f"`{place}` exists", "`--overwrite` replaces it")


def _link(original: Path, place: Path, overwrite: bool) -> None:
    """Give a cached file a second name, whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(place):
        if place.exists() and place.samefile(original):
            return
        if not overwrite:
            raise _taken(place)
    staged = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        os.link(original.resolve(), staged)
        staged.replace(place)
    finally:
        staged.unlink(missing_ok=True)


def _copy(original: Path, place: Path, entry: Entry, overwrite: bool) -> None:
    """Copy a file that was verified, whole or not at all."""
    from selenite import _core

    if os.path.lexists(place):
        is_same = place.is_file() and place.stat().st_size == entry.size
        if is_same and _core.md5_file(place) == entry.md5sum:
            return
        if not overwrite:
            raise _taken(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    staged = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        shutil.copyfile(original, staged)
        staged.replace(place)
    finally:
        staged.unlink(missing_ok=True)


def _plan(
    options: Options,
    targets: list[Target],
    destination: str | None,
    choice: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    from selenite.cli.ls import entry_item

    output = Output(options)
    sums = [0, 0]

    def planned() -> Any:  # noqa: ANN401 (a generator)
        for target in targets:
            version = version_of(target, options)
            for entry in _chosen(version, target, choice).entries():
                sums[0] += not entry.is_directory
                sums[1] += entry.size
                yield entry_item(entry)

    output.items(
        planned(),
        lambda one: f"{sized(one['size']):>8}  {output.shown(one['name'])}",
        lambda one: str(one["name"]),
        files=lambda: sums[0],
        bytes=lambda: sums[1],
    )
    where = f"to {destination}" if destination is not None else "into the cache"
    output.note(f"would fetch {count_text(sums[0], 'file')} ({sized(sums[1])}) {where}")
