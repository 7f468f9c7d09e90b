"""Whether a registry is sound, found out from its files alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any


def names(folder: Path) -> list[str]:
    """What users have put into a folder, sorted: projects, assets or versions."""
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("..")
    )


def faults(registry: Path, *, with_links: bool = True) -> list[str]:
    """Say what is wrong: contents, links, usage and latest versions that are not as they should be.

    Args:
        registry: Directory of the registry.
        with_links: Whether linked files are symbolic links, as the Gobbler makes them.
    """
    return list(_faults(registry, with_links))


def _faults(registry: Path, with_links: bool) -> Iterator[str]:
    for project in names(registry):
        used = 0
        for asset in names(registry / project):
            folder = registry / project / asset
            finished: dict[str, datetime] = {}
            for version in names(folder):
                try:
                    summary = json.loads((folder / version / "..summary").read_text())
                    manifest = json.loads((folder / version / "..manifest").read_text())
                    if not summary.get("on_probation"):
                        finished[version] = datetime.fromisoformat(summary["upload_finish"])
                except (OSError, ValueError, KeyError) as error:
                    yield f"{folder / version}: {error!r}"
                    continue
                yield from _content(registry, folder / version, manifest, with_links)
                used += sum(entry["size"] for entry in manifest.values() if "link" not in entry)
            yield from _latest(folder, finished)
        try:
            told = json.loads((registry / project / "..usage").read_text())["total"]
            json.loads((registry / project / "..permissions").read_text())
            json.loads((registry / project / "..quota").read_text())
        except (OSError, ValueError, KeyError) as error:
            yield f"{project}: {error!r}"
            continue
        if told != used:
            yield f"{project}: the usage says {told}, and is {used}"


def _latest(folder: Path, finished: dict[str, datetime]) -> Iterator[str]:
    try:
        latest = json.loads((folder / "..latest").read_text())["version"]
    except FileNotFoundError:
        latest = None
    except (OSError, ValueError, KeyError) as error:
        yield f"{folder}: the latest version: {error!r}"
        return
    newest = max(finished.values(), default=None)
    if latest not in finished if finished else latest is not None:
        yield f"{folder}: the latest version is said to be {latest}, of {sorted(finished)}"
    elif latest is not None and finished[latest] != newest:
        yield f"{folder}: the latest version is said to be {latest}, which is older than another"
    if not finished and not names(folder) and not (folder / "..permissions").exists():
        yield f"{folder}: an asset without anything"


def _content(
    registry: Path, folder: Path, manifest: dict[str, Any], with_links: bool
) -> Iterator[str]:
    for path, entry in manifest.items():
        place = folder / path
        if "link" in entry:
            if with_links and not place.is_symlink():
                yield f"{place}: should be a link"
            link = entry["link"].get("ancestor", entry["link"])
            place = registry.joinpath(
                *(link[key] for key in ("project", "asset", "version", "path"))
            )
        if entry["md5sum"] == "":
            if not place.is_dir():
                yield f"{place}: should be a directory"
            continue
        try:
            content = place.read_bytes()
        except OSError as error:
            yield f"{place}: {error!r}"
            continue
        if len(content) != entry["size"] or hashlib.md5(content).hexdigest() != entry["md5sum"]:
            yield f"{place}: other content than the manifest says"
    for found in folder.rglob("*"):
        path = found.relative_to(folder).as_posix()
        if not found.name.startswith("..") and path not in manifest and not found.is_dir():
            yield f"{found}: not in the manifest"
