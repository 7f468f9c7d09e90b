"""Which versions were the latest when a service was last asked: for those that may ask nobody.

Beside the marks of what is complete in a cache; other clients look for no such file there.
"""

from __future__ import annotations

import os
from pathlib import Path

from selenite import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from selenite._place import Place

_MARKS = {"gobbler": "SUCCESS", "gypsum": "status"}
_NAME = "..latest"
_SHOWN = 3


def _asset(where: Place, project: str, asset: str) -> Path:
    """Say where versions of an asset are cached."""
    return Path(_core.registry_folder(where.native, f"{project}/{asset}"))


def _note(where: Place, project: str, asset: str) -> Path:
    root = _asset(where, project, asset).parents[2]
    return root / _MARKS[where.service] / project / asset / _NAME


def remember(where: Place, project: str, asset: str, version: str) -> None:
    """Note the latest version, unless the registry is here or the cache cannot be written.

    Args:
        where: The registry.
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
    """
    if _core.registry_at_hand(where.native) is not None:
        return
    from selenite._placing import placed

    try:
        if known(where, project, asset) == version:
            return
        place = _note(where, project, asset)
        place.parent.mkdir(parents=True, exist_ok=True)
        with placed(str(place)) as file:
            file.write(version.encode())
    except OSError as error:
        from selenite import _log

        _log.tell(f"the latest version cannot be remembered: {error}")


def known(where: Place, project: str, asset: str) -> str | None:
    """Say which version was the latest when that was last asked; None if it never was.

    Args:
        where: The registry.
        project: Name of the project.
        asset: Name of the asset.
    """
    try:
        return _note(where, project, asset).read_text(encoding="utf-8") or None
    except (OSError, UnicodeDecodeError):
        return None


def way_out(where: Place, project: str, asset: str) -> str | None:
    """Name versions that are cached, for somebody who may ask nobody; None if there are none.

    Args:
        where: The registry.
        project: Name of the project.
        asset: Name of the asset.
    """
    try:
        entries = [entry.name for entry in os.scandir(_asset(where, project, asset))]
    except OSError:
        return None
    names = [f"`{name}`" for name in sorted(entries, reverse=True) if not name.startswith("..")]
    if not names:
        return None
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"name a version: the cache has {', '.join(names[:_SHOWN])}{more}"
