"""``selenite get``: files and versions, verified."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import click

from selenite._display import count_text
from selenite._progress import tracking
from selenite._registry import _refuse_full
from selenite._settings import verification
from selenite.cli._common import Options, argument, command, dry_run, flag, option, patterns
from selenite.cli._complete import AddressType
from selenite.cli._errors import CONFLICT, FAILED, USAGE, CommandError, told
from selenite.cli._output import Output, sized
from selenite.cli._several import side_by_side
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
    from collections.abc import Callable, Iterator
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
    wanted = [_Wanted(replace(options), target, choice) for target in targets]
    output, errors = Output(options), []

    def fetched(one: _Wanted) -> dict[str, Any]:
        return _fetched(one, destination, overwrite, link)

    def found() -> Iterator[dict[str, Any]]:
        for one, result in zip(wanted, _all(fetched, wanted, destination), strict=True):
            if isinstance(result, Exception):
                errors.append((result, one.options))
            else:
                yield result

    # One that fails alone says so before anything is printed.
    rows = found() if len(wanted) > 1 else [fetched(wanted[0])]
    output.items(rows, lambda one: output.shown(one["path"]), lambda one: str(one["path"]))
    if errors:
        sys.stdout.flush()
        codes = {told(error, its) for error, its in errors}
        click.get_current_context().exit(codes.pop() if len(codes) == 1 else FAILED)


@dataclass
class _Wanted:
    """An address that is to be fetched.

    Attributes:
        options: Options of the command, for this address alone.
        target: The address.
        choice: Patterns of what is wanted, and of what is not.
    """

    options: Options
    target: Target
    choice: tuple[tuple[str, ...], tuple[str, ...]]

    @cached_property
    def version(self) -> Version:
        """The version that is meant."""
        return version_of(self.target, self.options)

    @cached_property
    def chosen(self) -> Manifest:
        """The files that are meant."""
        return _chosen(self.version, self.target, self.choice)


def _all(
    fetched: Callable[[_Wanted], dict[str, Any]], wanted: list[_Wanted], destination: str | None
) -> Iterator[dict[str, Any] | Exception]:
    """Fetch all, side by side unless they go to the same places."""
    tasks = [partial(fetched, one) for one in wanted]
    if destination is None or _are_apart(wanted):
        yield from side_by_side(tasks)
        return
    for task in tasks:
        yield from side_by_side([task])


def _are_apart(wanted: list[_Wanted]) -> bool:
    """Say whether no two addresses have a path in common."""

    def chosen(one: _Wanted) -> Manifest:
        return one.chosen

    seen: set[str] = set()
    for manifest in side_by_side([partial(chosen, one) for one in wanted]):
        if isinstance(manifest, Exception):
            continue  # it is told when its turn has come
        if not seen.isdisjoint(manifest):
            return False
        seen.update(manifest)
    return True


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
    wanted: _Wanted, destination: str | None, overwrite: bool, link: str
) -> dict[str, Any]:
    version, target, choice = wanted.version, wanted.target, wanted.choice
    entry = version.manifest.get(target.path) if target.path is not None else None
    if entry is not None and not entry.is_directory:
        if target.is_folder:
            entries_of(version.manifest, target)
        return _file(version, entry, destination, overwrite, link)
    chosen = wanted.chosen
    files, size = chosen.files, chosen.total_bytes
    facts = {"address": wanted.options.address, "files": files, "bytes": size}
    if destination is not None:
        counts = _into(version, chosen, Path(destination), overwrite, link)
        return {"path": destination, **facts, **counts}
    root = _root(version)
    _refuse_full(root, chosen)
    is_whole = not any(choice) and target.path is None
    _, received = version._fetched(None if is_whole else _files_of(chosen), overwrite)
    place = root if target.path is None else root / target.path
    return {"path": str(place), **facts, **_counts(version, files, received)}


def _files_of(chosen: Manifest) -> list[str]:
    return [entry.path for entry in chosen.entries() if not entry.is_directory]


def _counts(version: Version, files: int, received: int) -> dict[str, int]:
    """Say how many files were here already, and how many were compared with the manifest."""
    from selenite import _core

    verified = {"off": 0, "always": files}.get(verification(), received)
    if _core.registry_at_hand(version._place.native) is not None:
        verified = 0
    return {"cached": max(0, files - received), "verified": verified}


def _root(version: Version) -> Path:
    """Say which directory holds the version, or will."""
    from selenite import _core

    return Path(_core.registry_folder(version._place.native, version._path()))


def _into(
    version: Version, chosen: Manifest, destination: Path, overwrite: bool, link: str
) -> dict[str, int]:
    if link != "hard":
        try:
            counts = _copied(version, chosen, destination, overwrite)
        except FileExistsError as error:
            if error.filename is None or not destination.is_dir():
                raise
            raise _taken(Path(os.fsdecode(error.filename))) from error
        # Each of them was compared, wherever it came from.
        return {"cached": counts[0] + counts[1], "verified": sum(counts)}
    paths = _files_of(chosen)
    places, received = version._fetched(paths, False)
    for path, place in zip(paths, places, strict=True):
        _link(place, destination / path, overwrite)
    return _counts(version, chosen.files, received)


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
    (found,), received = version._fetched([entry.path], overwrite and destination is None)
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
    return {"path": str(found), **facts, **_counts(version, 1, received)}


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
    staged = place.with_name(f".{place.name}.part")
    staged.unlink(missing_ok=True)  # of a process that was killed
    os.link(original.resolve(), staged)
    try:
        staged.replace(place)
    finally:
        staged.unlink(missing_ok=True)


def _copy(original: Path, place: Path, entry: Entry, overwrite: bool) -> None:
    """Copy a file that was verified, whole or not at all."""
    from selenite import _core
    from selenite._placing import placed

    if os.path.lexists(place):
        is_same = place.is_file() and place.stat().st_size == entry.size
        if is_same and _core.md5_file(place) == entry.md5sum:
            return
        if not overwrite:
            raise _taken(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    with original.open("rb") as source, placed(str(place)) as file:
        shutil.copyfileobj(source, file, 8 << 20)


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
