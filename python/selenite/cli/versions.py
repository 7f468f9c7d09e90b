"""``selenite versions``: the versions of an asset."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from selenite._registry import Asset
from selenite.cli._common import Options, argument, command, flag
from selenite.cli._complete import AddressType
from selenite.cli._errors import USAGE, CommandError
from selenite.cli._output import Output, item, sized, table, timed
from selenite.cli._target import level_of, registry
from selenite.cli.ls import latest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Small requests that wait for each other.
_AT_ONCE = 8


@command(
    "versions",
    argument("address", type=AddressType()),
    flag("--all", help="Those on probation, too."),
    examples=(
        "selenite versions gypsum:celldex/immgen",
        "selenite versions gobbler:demo/rna --all",
    ),
)
def versions(options: Options, address: str, all: bool) -> None:
    """List the versions of an asset, newest first: `*` marks the latest, `?` those on probation."""
    target = registry(address, options, least=2)
    if len(target.names) > 2:
        raise CommandError(USAGE, f"`{address}` is a version, not an asset")
    asset = level_of(target, options)
    assert isinstance(asset, Asset)
    latest, names = latest_of(asset), asset.names()

    def described(name: str) -> dict[str, Any]:
        version = asset[name]
        summary, manifest = version.summary, version.manifest
        return item(
            name,
            "version",
            size=manifest.total_bytes,
            on_probation=version.on_probation,
            latest=name == latest,
            uploaded=summary.get("upload_finish"),
            uploaded_by=summary.get("upload_user_id"),
            files=manifest.files,
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = [one for one in pool.map(described, names) if all or not one["on_probation"]]
    found.sort(key=lambda one: (one["uploaded"] or "", one["name"]), reverse=True)
    output = Output(options, target.short)
    if not output.is_human:
        output.items(found, str, lambda one: f"{asset.address}/{one['name']}")
        return
    header = ("VERSION", "FILES", "SIZE", "UPLOADED", "BY", "") if output.has_header else ()
    rows = [
        (
            output.shown(one["name"]),
            f"{one['files']:,}",
            sized(one["size"]),
            timed(one["uploaded"]),
            output.shown(str(one["uploaded_by"])),
            ("*" if one["latest"] else "") + ("?" if one["on_probation"] else ""),
        )
        for one in found
    ]
    for line in table(rows, (1, 2), header):
        output.write(line)
