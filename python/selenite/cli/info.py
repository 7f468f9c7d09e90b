"""``selenite info``: what is known of something in a registry."""

from __future__ import annotations

from selenite._display import count_text
from selenite._exceptions import NotFoundError
from selenite._registry import Asset, Project, Registry
from selenite.cli._common import Options, argument, command
from selenite.cli._complete import AddressType
from selenite.cli._output import Output, sized, timed
from selenite.cli._target import level_of, no_file, registry, version_of
from selenite.cli.ls import latest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from selenite._registry import Version
    from selenite.cli._target import Target


@command(
    "info",
    argument("address", type=AddressType()),
    examples=("selenite info gobbler:demo/rna/v2", "selenite info gypsum:celldex --json"),
)
def info(options: Options, address: str) -> None:
    """Say what is known of a registry, a project, an asset, a version or a file."""
    if address.startswith("girder:"):
        from selenite.cli._girder import info as girder_info

        girder_info(options, address)
        return
    target = registry(address, options)
    if len(target.names) < 3:
        facts, lines = _of_level(level_of(target, options))
    else:
        version = version_of(target, options)
        facts, lines = _of_version(version) if target.path is None else _of_path(version, target)
    Output(options).facts(
        facts, [f"{key:<11}  {value}" for key, value in lines if value], str(facts["address"])
    )


def _of_level(level: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:  # noqa: ANN401
    facts: dict[str, Any] = {"address": level.address, "type": type(level).__name__.lower()}
    lines = [("address", level.address)]
    count = len(level.names())
    if isinstance(level, Registry):
        place = level._place
        facts |= {"url": place.endpoint and place.shown, "registry": place.registry}
        facts["projects"] = count
        lines += [("url", facts["url"] or ""), ("registry", place.registry or "")]
        lines.append(("projects", f"{count:,}"))
    elif isinstance(level, Project):
        facts |= {"assets": count, **_of_project(level)}
        lines.append(("assets", f"{count:,}"))
        lines.append(("used", sized(facts["usage"])))
        owners = facts["permissions"].get("owners", [])
        lines.append(("owners", ", ".join(map(str, owners))))
        uploaders = [str(one.get("id")) for one in facts["permissions"].get("uploaders", [])]
        lines.append(("uploaders", ", ".join(uploaders)))
    else:
        assert isinstance(level, Asset)
        latest = latest_of(level)
        facts |= {"versions": count, "latest": latest}
        lines += [("versions", f"{count:,}"), ("latest", latest or "none")]
    return facts, lines


def _of_project(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = {"usage": project.usage, "permissions": project.permissions}
    try:
        found["quota"] = project.quota
    except NotFoundError:
        found["quota"] = None  # a Gobbler that gives none
    return found


def _of_version(version: Version) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    manifest, summary = version.manifest, version.summary
    latest = latest_of(Asset(version._place, version.project, version.asset))
    facts: dict[str, Any] = {
        "address": version.address,
        "type": "version",
        "uploaded": summary.get("upload_finish"),
        "uploaded_by": summary.get("upload_user_id"),
        "on_probation": version.on_probation,
        "files": manifest.files,
        "bytes": manifest.total_bytes,
        "linked": manifest.links,
        "linked_bytes": manifest.linked_bytes,
        "latest": latest,
    }
    when = f"{timed(facts['uploaded'])} UTC" if facts["uploaded"] else "not finished"
    linked = f", {manifest.links:,} linked" if manifest.links else ""
    lines = [
        ("address", version.address),
        ("uploaded", f"{when} by {facts['uploaded_by']}"),
        ("state", "on probation" if version.on_probation else "final"),
        ("files", f"{manifest.files:,} ({sized(manifest.total_bytes)}){linked}"),
        ("latest", latest or "none"),
    ]
    return facts, lines


def _of_path(version: Version, target: Target) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    assert target.path is not None
    address = f"{version.address}/{target.path}"
    manifest = version.manifest
    entry = manifest.get(target.path)
    if entry is not None and not entry.is_directory:
        facts = {
            "address": address,
            "type": "file",
            "size": entry.size,
            "md5sum": entry.md5sum,
            "link": entry.link,
        }
        lines = [
            ("address", address),
            ("size", f"{sized(entry.size)} ({count_text(entry.size, 'byte')})"),
            ("md5sum", entry.md5sum),
            ("link", entry.link or ""),
        ]
        return facts, lines
    files, size = manifest.sums(target.path)
    if not files and entry is None:
        raise no_file(manifest, target)
    facts = {"address": address, "type": "directory", "files": files, "bytes": size}
    return facts, [("address", address), ("files", f"{files:,} ({sized(size)})")]
