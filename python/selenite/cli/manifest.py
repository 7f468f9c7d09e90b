"""``selenite manifest``: paths, sizes and digests."""

from __future__ import annotations

from pathlib import Path

from selenite import _core
from selenite._failures import asking
from selenite._progress import tracking
from selenite.cli._common import Options, argument, command, flag
from selenite.cli._complete import AddressType
from selenite.cli._errors import NOT_FOUND, CommandError
from selenite.cli._output import Output, dumped
from selenite.cli._target import parse, registry, version_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@command(
    "manifest",
    argument("what", metavar="ADDRESS|DIRECTORY", type=AddressType()),
    flag("--md5sum", help="Lines for `md5sum -c`."),
    examples=(
        "selenite manifest results --md5sum > MD5SUMS",
        "selenite manifest gypsum:p/a/v --json",
    ),
)
def manifest(options: Options, what: str, md5sum: bool) -> None:
    """Print path, size and digest of each file of a version, or of a directory of one's own.

    With `--json` it is the manifest itself, as registries have it.
    """
    output = Output(options)
    if parse(what).scheme is not None:
        version = version_of(registry(what, options, least=2), options)
        if output.form == "json":
            with asking(version._place, version._resolved()):
                path = f"{version._path()}/..manifest"
                found = _core.registry_document(version._place.native, path)
            output.write(dumped(found))
            return
        files: Iterator[dict[str, Any]] = (
            {"path": entry.path, "size": entry.size, "md5sum": entry.md5sum, "link": entry.link}
            for entry in version.manifest.entries()
        )
    else:
        files = described(what)
        if output.form == "json":
            output.write(
                dumped(
                    {one["path"]: {"size": one["size"], "md5sum": one["md5sum"]} for one in files}
                )
            )
            return
    if md5sum:
        for one in files:
            if one["md5sum"]:
                output.write(_md5sum_line(one["path"], one["md5sum"]))
        return
    output.items(
        files,
        lambda one: f"{one['md5sum']:32}  {one['size']:>12}  {output.shown(one['path'])}",
        lambda one: str(one["path"]),
    )


def _md5sum_line(path: str, digest: str) -> str:
    """Write a line as coreutils do: a backslash in front says that there are some within."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}"


def described(directory: str) -> Iterator[dict[str, Any]]:
    """Digest the files of a directory; empty directories are listed, too, as registries do.

    Args:
        directory: The directory.

    Yields:
        Path, size, digest, and no link, in byte order of the paths.
    """
    root = Path(directory)
    if not root.is_dir():
        raise CommandError(NOT_FOUND, f"`{directory}` is no directory")
    found = sorted(_core.walk(directory, sizes=True), key=lambda one: one[0].encode())
    files = [path for path, _ in found if not path.endswith("/")]
    with tracking("manifest", directory):
        digests = dict(zip(files, _core.digest_files([root / path for path in files]), strict=True))
    for path, size in found:
        name = path.rstrip("/")
        yield {"path": name, "size": size, "md5sum": digests.get(path, ""), "link": None}
