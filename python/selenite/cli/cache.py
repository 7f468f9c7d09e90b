"""``selenite cache``: what clients have kept, and selenite itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from selenite import _core
from selenite._display import count_text
from selenite._manifest import Manifest
from selenite._place import Place
from selenite.cli._common import LazyGroup, Options, agree, argument, command, dry_run, flag, option
from selenite.cli._complete import AddressType
from selenite.cli._errors import DAMAGED, NOT_FOUND, CommandError
from selenite.cli._output import Output, sized, table
from selenite.cli._target import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_ANSWERS = "pangea"
_DAY = 24 * 3600.0
_TIMES = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": _DAY, "w": 7 * _DAY}
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

cache = LazyGroup(
    "cache",
    "Look after what was downloaded from a Gobbler and gypsum, and what pangea_api has kept of "
    "answers. girder_client and pytupli keep nothing but locks, unless a program names a place.",
    {
        "dir": ("selenite.cli.cache:directory", "Print where it is."),
        "info": ("selenite.cli.cache:info", "Say how much there is, by service."),
        "ls": ("selenite.cli.cache:ls", "List versions, the last used first."),
        "prune": ("selenite.cli.cache:prune", "Remove what was not used for long."),
        "rm": ("selenite.cli.cache:rm", "Remove what is cached of an address, or `pangea:`."),
        "verify": ("selenite.cli.cache:verify", "Compare everything with its manifest."),
    },
)


@dataclass(frozen=True)
class Kept:
    """A version of which something is cached, or all answers that pangea_api has kept.

    Attributes:
        service: ``gobbler``, ``gypsum`` or ``pangea``.
        root: The directory that is laid out like a registry, or the one of the answers.
        names: Project, asset and version; none for answers.
        bytes: Size of its files.
        files: Their number.
        complete: Whether all of it is there.
        used: When a file of it was last read or written, in seconds since 1970.
        marker: The file that says that it is complete; None if none has to.
    """

    service: str
    root: Path
    names: tuple[str, ...]
    bytes: int
    files: int
    complete: bool
    used: float
    marker: Path | None

    @property
    def address(self) -> str:
        """Its address."""
        return f"{self.service}://{'/'.join(self.names)}"

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.root.joinpath(*self.names)

    @property
    def item(self) -> dict[str, Any]:
        """What JSON says of it."""
        used = datetime.fromtimestamp(self.used, UTC).isoformat(timespec="seconds")
        return {
            "service": self.service,
            "address": self.address,
            "bytes": self.bytes,
            "files": self.files,
            "complete": self.complete,
            "used": used,
            "path": str(self.path),
        }


def places(options: Options) -> dict[str, Path]:
    """Say where the caches of both services are."""
    from gypsum_client import cache_directory

    from selenite.cli import _profiles

    found = {}
    for service in _profiles.SERVICES:
        settled = _profiles.settle(service, _without_foreign_profile(service, options))
        if "cache" in settled:
            found[service] = Path(settled["cache"].value)
        elif service == "gypsum":
            found[service] = Path(cache_directory())
        else:
            found[service] = Path(_core.gobbler_cache_folder(None, "u")).parent
    # As the package says, which need not be imported for it.
    answers = Path(os.environ.get("PANGEA_API_CACHE_DIR", "."), ".pangea_api_cache", "v1")
    found[_ANSWERS] = answers.absolute()
    return found


def _without_foreign_profile(service: str, options: Options) -> dict[str, Any]:
    from selenite.cli.config import _of

    return _of(service, options)


def kept(options: Options) -> Iterator[Kept]:
    """Find every version of which something is cached."""
    found = places(options)
    bucket, status = found["gypsum"] / "bucket", found["gypsum"] / "status"
    yield from _versions("gypsum", bucket, lambda names: status.joinpath(*names, "COMPLETE"))
    for folder in _folders(found["gobbler"]):
        success = folder / "SUCCESS"
        if (folder / "REGISTRY").is_dir():
            yield from _versions(
                "gobbler",
                folder / "REGISTRY",
                lambda names, s=success: s.joinpath(*names, "....OK"),
            )
    answers = found[_ANSWERS]
    if answers.is_dir():
        size, files, used = _measured(answers)
        yield Kept(_ANSWERS, answers, (), size, files, True, used, None)


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(Path(entry) for entry in os.scandir(root) if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _versions(service: str, root: Path, marker: Any) -> Iterator[Kept]:  # noqa: ANN401 (a function)
    for project in _folders(root):
        for asset in _folders(project):
            for version in _folders(asset):
                names = (project.name, asset.name, version.name)
                size, files, used = _measured(version)
                mark = marker(names)
                yield Kept(service, root, names, size, files, mark.exists(), used, mark)


def _measured(folder: Path) -> tuple[int, int, float]:
    """Count the files of a folder, their bytes, and when one was last used."""
    size, files, used = 0, 0, 0.0
    pending = [folder]
    while pending:
        for entry in os.scandir(pending.pop()):
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry))
                continue
            found = entry.stat(follow_symlinks=False)
            size, files = size + found.st_size, files + 1
            used = max(used, found.st_atime, found.st_mtime)
    return size, files, used


@command("dir", examples=("selenite cache dir",))
def directory(options: Options) -> None:
    """Print where downloads are kept, for each service."""
    rows = [{"service": name, "path": str(path)} for name, path in places(options).items()]
    Output(options).items(
        rows, lambda one: f"{one['service']:7}  {one['path']}", lambda one: str(one["path"])
    )


@command("info", examples=("selenite cache info --json",))
def info(options: Options) -> None:
    """Say how much is cached of each service, and how much of it is incomplete."""
    rows = {
        name: {"service": name, "path": str(path), "versions": 0, "bytes": 0, "reclaimable": 0}
        for name, path in places(options).items()
    }
    for one in kept(options):
        row: dict[str, Any] = rows[one.service]
        row["versions"] += 1
        row["bytes"] += one.bytes
        row["reclaimable"] += 0 if one.complete else one.bytes
    Output(options).items(
        rows.values(),
        lambda one: (
            f"{one['service']:7}  {count_text(one['versions'], 'version')}, "
            f"{sized(one['bytes'])} ({sized(one['reclaimable'])} incomplete) in {one['path']}"
        ),
        lambda one: str(one["path"]),
    )


@command(
    "ls",
    option("--sort", type=click.Choice(["used", "size", "name"]), default="used", help="Order."),
    flag("--incomplete", help="Only what is not whole."),
    examples=("selenite cache ls --sort size",),
)
def ls(options: Options, sort: str, incomplete: bool) -> None:
    """List the versions that are cached, the last used first."""
    found = [one for one in kept(options) if not (incomplete and one.complete)]
    keys: dict[str, Any] = {
        "used": lambda one: -one.used,
        "size": lambda one: -one.bytes,
        "name": lambda one: one.address,
    }
    found.sort(key=keys[sort])
    output = Output(options)
    total, rest = sum(one.bytes for one in found), sum(o.bytes for o in found if not o.complete)
    if not output.is_human:
        output.items(
            (one.item for one in found),
            str,
            lambda one: str(one["address"]),
            bytes=total,
            reclaimable=rest,
        )
        return
    rows = [
        (
            sized(one.bytes),
            f"{one.files:,}",
            datetime.fromtimestamp(one.used, UTC).strftime("%Y-%m-%d %H:%M"),
            "" if one.complete else "incomplete",
            output.shown(one.address),
        )
        for one in found
    ]
    header = ("SIZE", "FILES", "USED", "", "ADDRESS") if output.has_header else ()
    for line in table(rows, (0, 1), header):
        output.write(line)
    output.note(f"{count_text(len(found), 'version')}, {sized(total)}; {sized(rest)} incomplete")


@command(
    "prune",
    option("--older-than", metavar="AGE", help="Not used for so long, as 30d or 12h."),
    option("--max-size", metavar="SIZE", help="The last used are kept up to this size, as 50G."),
    flag("--incomplete", help="What is not whole."),
    dry_run(),
    flag("-y", "--yes", help="Do not ask."),
    examples=("selenite cache prune --older-than 30d -n", "selenite cache prune --max-size 50G -y"),
)
def prune(
    options: Options,
    older_than: str | None,
    max_size: str | None,
    incomplete: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove versions from the cache that were not used for long, or are too many."""
    if older_than is None and max_size is None and not incomplete:
        raise click.UsageError("say what: `--older-than`, `--max-size` or `--incomplete`")
    limit = None if older_than is None else time.time() - _parsed(older_than, "smhdw", _TIMES)
    most = None if max_size is None else _parsed(max_size, "kMGT", _SIZES)
    found, total = [], 0.0
    for one in sorted(kept(options), key=lambda one: -one.used):
        total += one.bytes
        is_old = limit is not None and one.used < limit
        if is_old or (most is not None and total > most) or (incomplete and not one.complete):
            found.append(one)
    _remove(options, found, dry_run=dry_run, yes=yes)


def _parsed(text: str, units: str, factors: dict[str, Any]) -> float:
    found = re.fullmatch(rf"(\d+(?:\.\d+)?)([{units}]?)B?", text)
    if found is None or found[2] not in factors:
        raise click.UsageError(f"`{text}`: expected a number and one of {', '.join(units)}")
    return float(found[1]) * float(factors[found[2]])


@command(
    "rm",
    argument("address", type=AddressType()),
    dry_run(),
    flag("-y", "--yes", help="Do not ask."),
    examples=("selenite cache rm gypsum:celldex/immgen -y", "selenite cache rm pangea: -y"),
)
def rm(options: Options, address: str, dry_run: bool, yes: bool) -> None:
    """Remove from the cache what is there of a project, an asset or a version.

    `pangea:` stands for all answers that pangea_api has kept.
    """
    if address in (f"{_ANSWERS}:", f"{_ANSWERS}://"):
        service: str | None = _ANSWERS
        names: tuple[str, ...] = ()
        short = address
    else:
        target = registry(address, options, least=1)
        service, names, short = target.scheme, target.names, target.short
    found = [
        one for one in kept(options) if one.service == service and one.names[: len(names)] == names
    ]
    if not found:
        raise CommandError(NOT_FOUND, f"nothing of {short} is in the cache")
    _remove(options, found, dry_run=dry_run, yes=yes)


def _remove(options: Options, found: list[Kept], *, dry_run: bool, yes: bool) -> None:
    total = sum(one.bytes for one in found)
    told = f"{count_text(len(found), 'version')} ({sized(total)})"
    if not dry_run and found:
        agree(f"remove {told} from the cache", yes)
        for one in found:
            # What is no longer complete must not be said to be.
            if one.marker is not None:
                one.marker.unlink(missing_ok=True)
            shutil.rmtree(one.path)
    output = Output(options)
    output.items(
        (one.item for one in found),
        lambda one: f"{sized(one['bytes']):>8}  {output.shown(one['address'])}",
        lambda one: str(one["address"]),
        bytes=total,
    )
    output.note(f"would remove {told}" if dry_run else f"removed {told}")


@command("verify", examples=("selenite cache verify",))
def verify(options: Options) -> None:
    """Compare everything that is cached with its manifest; answers must be JSON.

    Prints what differs. The exit status is 6 if something does.
    """
    output = Output(options)
    counts = {"ok": 0, "missing": 0, "differs": 0}

    def faults() -> Iterator[dict[str, Any]]:
        for one in kept(options):
            if one.service == _ANSWERS:
                yield from _bad_answers(one, counts)
                continue
            if not (one.path / "..manifest").is_file():
                continue
            place = Place("gobbler", registry=str(one.root))
            native = _core.registry_manifest(place.native, "/".join(one.names))
            for found in Manifest(native, one.address).check(one.path):
                # Of what was fetched file by file, others are not missing.
                if found.state == "missing" and not one.complete:
                    continue
                counts[found.state] += 1
                if found.state != "ok":
                    path = f"{one.address}/{found.path}"
                    yield {"path": path, "state": found.state, "service": one.service}

    output.items(
        faults(),
        lambda one: f"{one['state']:7}  {output.shown(one['path'])}",
        lambda one: str(one["path"]),
        counts=lambda: counts,
    )
    total = sum(counts.values())
    if output.is_human:
        told = [f"{count:,} {state}" for state, count in counts.items() if count or state == "ok"]
        output.write(f"{count_text(total, 'file')}: {', '.join(told)}")
    click.get_current_context().exit(DAMAGED if total != counts["ok"] else 0)


def _bad_answers(one: Kept, counts: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Count answers, and give those that make no sense."""
    for path in sorted(one.path.glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except FileNotFoundError:
            continue  # it was too old
        except ValueError:
            counts["differs"] += 1
            yield {
                "path": f"{one.address}{path.name}",
                "state": "differs",
                "service": one.service,
            }
        else:
            counts["ok"] += 1
