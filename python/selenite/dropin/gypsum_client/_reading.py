"""What is read of a service: records, listings and files."""

from __future__ import annotations

import os

from selenite import _core

from ._defaults import site
from ._errors import GypsumError, checked, saving, translated
from .config import REQUESTS_MOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _fetch_json(path: str, url: str | None) -> dict[str, Any]:
    """Read a JSON object of the bucket, not through a cache."""
    what = "Failed to access json from API"
    with translated(what):
        answer = _core.gypsum_read(site(url), path)
    return checked(answer, f"{what}, '{path}'")


def _fetch_cacheable_json(
    project: str,
    asset: str,
    version: str,
    path: str,
    cache: str | None,
    url: str | None,
    overwrite: bool,
) -> Any:
    """Read a JSON object of a version, through the cache if there is one.

    What is cached is returned whatever it holds.
    """
    if cache is None:
        return _fetch_json(f"{project}/{asset}/{version}/{path}", url)
    with saving():
        return _core.gypsum_record(
            site(url), cache, (project, asset, version), path, overwrite=overwrite
        )


def _list_for_prefix(
    prefix: str | None,
    url: str | None,
    recursive: bool = False,
    include_dot: bool = False,
    only_dirs: bool = True,
) -> list[str]:
    """List what begins with a prefix, without the prefix."""
    start = prefix or ""
    with translated("Failed to access files from API"):
        if only_dirs:
            return _core.gypsum_list_directories(site(url), start, recursive=recursive)
        return _core.gypsum_list_files(site(url), start, "", include_dot=include_dot)


def _save_file(
    path: str,
    destination: str,
    overwrite: bool,
    url: str | None,
    error: bool = True,
    verify: bool | str | None = None,
) -> bool:
    """Download one object; says whether it is there."""
    if not overwrite and os.path.exists(destination):
        return True
    base, trust = site(url)
    if verify is not None:
        trust = verify
    from urllib.parse import quote

    try:
        with translated(f"Failed to save '{path}'; Failed to save file from API", "."):
            _core.gypsum_download(
                (f"{base}/file/{quote(path, safe='')}", trust), destination, "any"
            )
    except (GypsumError, OSError):
        if error:
            raise
        return False
    return True


def _download_and_rename_file(url: str, dest: str, *, form: str = "any") -> None:
    """Download a file; it gets its name when it is whole and of the form that it should have."""
    with translated(f"Failed to save '{dest}'; Failed to download file"):
        _core.gypsum_download((url, REQUESTS_MOD.get("verify", True)), dest, form)


def _is_page(path: str, *others: bytes) -> bool:
    """Say whether a file is nothing, or a page that a proxy gave instead of what was asked for.

    Other clients keep these. They begin in certain ways, as ``others`` do; anything else may be
    somebody's own.
    """
    with open(path, "rb") as file:
        start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    return not start or start.startswith((b"<", b"\x1f\x8b", *others))


def _rename_file(src: str, dest: str) -> None:
    """Give a file its final name, replacing what is there."""
    os.replace(src, dest)
