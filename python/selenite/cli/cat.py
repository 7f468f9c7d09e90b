"""``selenite cat``: the content of a file."""

from __future__ import annotations

import re
import shutil
import sys

import click

from selenite.cli._common import Options, argument, command, option
from selenite.cli._complete import AddressType
from selenite.cli._errors import USAGE, CommandError
from selenite.cli._target import file_of, registry, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from selenite._registry import Version

_CHUNK = 8 << 20


@command(
    "cat",
    argument("address", type=AddressType()),
    option("--range", "part", metavar="A-B", help="Bytes A to B, counted from 0; A- or -N, too."),
    examples=(
        "selenite cat gobbler:demo/rna/v1/notes.txt",
        "selenite cat gypsum:celldex/immgen/@latest/assay-1/array.h5 --range 0-511",
    ),
)
def cat(options: Options, address: str, part: str | None) -> None:
    """Write a file to standard output.

    A whole file is verified first. A range is asked for alone, and cannot be.
    """
    if options.form in ("json", "jsonl"):
        raise click.UsageError("the content of a file is no JSON")
    target = registry(address, options, least=3)
    if target.path is None:
        raise CommandError(USAGE, f"`{address}` names no file", "`selenite ls` lists files")
    version = version_of(target, options)
    entry = file_of(version.manifest, target)
    if part is None:
        with version.open(target.path) as file:
            shutil.copyfileobj(file, sys.stdout.buffer, _CHUNK)
    else:
        begin, end = _range(part, entry.size)
        _write(version, target.path, begin, end)
    sys.stdout.buffer.flush()


def _write(version: Version, path: str, begin: int, end: int) -> None:
    for start in range(begin, end, _CHUNK):
        sys.stdout.buffer.write(version.read_bytes(path, start, min(end, start + _CHUNK)))


def _range(text: str, size: int) -> tuple[int, int]:
    """Read a range as HTTP has it: both ends are included."""
    found = re.fullmatch(r"(\d*)-(\d*)", text)
    if not found or not (found[1] or found[2]):
        raise click.UsageError(f"`{text}` is no range: expected A-B, A- or -N")
    if not found[1]:
        return max(0, size - int(found[2])), size
    begin = int(found[1])
    end = int(found[2]) + 1 if found[2] else size
    if found[2] and end <= begin:
        raise click.UsageError(f"`{text}` is no range: it ends before it begins")
    return min(begin, size), min(end, size)
