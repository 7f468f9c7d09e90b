"""``selenite ls``: what is in a registry, a project, an asset or a version."""

from __future__ import annotations

import click

from selenite._display import count_text
from selenite._exceptions import NotFoundError
from selenite._registry import Asset
from selenite.cli import _profiles
from selenite.cli._common import Options, argument, command, flag, option, patterns
from selenite.cli._complete import AddressType
from selenite.cli._errors import USAGE, CommandError
from selenite.cli._output import Output, item, sized, timed
from selenite.cli._target import entries_of, level_of, registry, version_of, wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from selenite._manifest import Entry
    from selenite._registry import Project, Registry

_LEVELS = ("project", "asset", "version")
_SIZE_WIDTH, _DIGEST_WIDTH = 8, 32


@command(
    "ls",
    argument("address", required=False, type=AddressType()),
    flag("-l", "long", help="With sizes and digests, or times."),
    flag(
        "-R", "--recursive", help="Of projects and assets, also what is in them, down to versions."
    ),
    option("--prefix", metavar="TEXT", default="", help="Only names that begin so."),
    *patterns(),
    option("--sort", type=click.Choice(["name", "size", "time"]), default="name", help="Order."),
    flag("--bytes", help="Exact sizes."),
    flag("-0", "--null", help="Separate names by NUL."),
    examples=(
        "selenite ls gypsum:",
        "selenite ls -l gypsum:celldex/immgen/@latest",
        "selenite ls gobbler:demo/rna/v1/tables --include '*.csv' --json",
    ),
)
def ls(
    options: Options,
    address: str | None,
    long: bool,
    recursive: bool,
    prefix: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    sort: str,
    bytes: bool,
    null: bool,
) -> None:
    """List projects, assets, versions or files.

    Of a version, or a folder in it, all files are listed. ADDRESS is by default the registry of the
    default profile.
    """
    target_text = address or _default()
    if target_text.startswith("girder:"):
        from selenite.cli._girder import ls as girder_ls

        girder_ls(options, target_text, long=long, null=null)
        return
    target = registry(target_text, options)
    if len(target.names) < 3:
        level = level_of(target, options)
        found = _below(level, long=long or options.form in ("json", "jsonl"), recursive=recursive)
        found = (one for one in found if one["name"].startswith(prefix))
        if sort == "time":
            found = iter(sorted(found, key=lambda one: one["uploaded"] or "", reverse=True))
        output = Output(options, target.short, null=null)
        output.items(found, lambda one: _level_line(output, one, long), lambda one: one["name"])
        return
    version = version_of(target, options)
    manifest = version.manifest
    if include or exclude:
        manifest = wanted(manifest, include, exclude)
    entries = entries_of(manifest, target)
    if sort == "size":
        entries = iter(sorted(entries, key=lambda entry: -entry.size))
    output = Output(options, options.address, null=null)
    if output.has_header and long:
        output.write(f"{'SIZE':>{_SIZE_WIDTH}}  {'MD5':<{_DIGEST_WIDTH}}  PATH")
    sums = [0, 0, 0]

    def listed() -> Iterator[dict[str, Any]]:
        for entry in entries:
            if not entry.path.startswith(prefix):
                continue
            kind = "directory" if entry.is_directory else "file"
            sums[0] += kind == "file"
            sums[1] += entry.size
            sums[2] += entry.size if entry.link else 0
            yield item(
                entry.path,
                kind,
                size=entry.size,
                md5sum=entry.md5sum or None,
                link=entry.link,
            )

    output.items(
        listed(),
        lambda one: _file_line(output, one, long, bytes),
        lambda one: str(one["name"]),
        files=lambda: sums[0],
        bytes=lambda: sums[1],
    )
    if long:
        linked = f" ({sized(sums[2])} linked)" if sums[2] else ""
        output.note(f"{count_text(sums[0], 'file')}, {sized(sums[1])}{linked}")


def _default() -> str:
    default = _profiles.loaded().default
    if default is None:
        raise CommandError(
            USAGE,
            "no address, and no default profile",
            "give an address, such as `gypsum:` or `gobbler:demo`",
        )
    return f"{_profiles.loaded().profiles[default]['service']}:"


def _below(
    level: Registry | Project | Asset, *, long: bool, recursive: bool, inside: str = ""
) -> Iterator[dict[str, Any]]:
    """List what is in a registry, a project or an asset."""
    names, kind = level.names(), level._level
    latest = latest_of(level) if isinstance(level, Asset) else None
    for name in names:
        facts: dict[str, object] = {}
        if isinstance(level, Asset):
            facts["latest"] = name == latest
            if long:
                version = level[name]
                facts["on_probation"] = version.on_probation
                facts["uploaded"] = version.summary.get("upload_finish")
        yield item(f"{inside}{name}", kind, **facts)
        if recursive and not isinstance(level, Asset):
            yield from _below(level[name], long=long, recursive=True, inside=f"{inside}{name}/")


def latest_of(asset: Asset) -> str | None:
    """Give the name of the latest version, None if all are on probation."""
    try:
        return asset.latest.name
    except NotFoundError:
        return None


def _level_line(output: Output, one: dict[str, Any], long: bool) -> str:
    name = output.shown(one["name"])
    if not long or one["type"] != "version":
        return output.styled(name, None if one["type"] == "version" else "directory")
    marks = ("*" if one["latest"] else "") + ("?" if one["on_probation"] else "")
    style = "probation" if one["on_probation"] else None
    return f"{timed(one['uploaded']):16}  {marks:2}  {output.styled(name, style)}"


def _file_line(output: Output, one: dict[str, Any], long: bool, exact: bool) -> str:
    is_directory = one["type"] == "directory"
    name = output.shown(one["name"]) + ("/" if is_directory else "")
    style = "directory" if is_directory else "link" if one["link"] else None
    if not long:
        return output.styled(name, style)
    size = "" if is_directory else sized(one["size"], exact=exact)
    link = f" -> {output.shown(one['link'])}" if one["link"] else ""
    digest = one["md5sum"] or ""
    return f"{size:>{_SIZE_WIDTH}}  {digest:<{_DIGEST_WIDTH}}  {output.styled(name, style)}{link}"


def entry_item(entry: Entry) -> dict[str, Any]:
    """Describe a file of a version as it is listed."""
    kind = "directory" if entry.is_directory else "file"
    digest = entry.md5sum or None
    return item(entry.path, kind, size=entry.size, md5sum=digest, link=entry.link)
