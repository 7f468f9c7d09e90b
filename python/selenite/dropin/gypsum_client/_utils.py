"""Parts of the other modules."""

from __future__ import annotations

import os
import sys

from selenite import _arguments, _core
from selenite._terminal import is_terminal

from ._defaults import base_of, site
from ._errors import GypsumError, checked, saving, translated
from .config import REQUESTS_MOD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import IO, Any

    from selenite._arguments import _Uploaders

__all__ = ["BUCKET_CACHE_NAME", "IS_LOCKED", "REQUESTS_MOD", "is_notebook"]

#: Directory of the cache that holds objects of the registry.
BUCKET_CACHE_NAME = "bucket"
#: Versions that this process has locked by :func:`_acquire_lock`.
IS_LOCKED: dict[str, dict[str, IO[bytes]]] = {"locks": {}}
# What a child inherits is locked by its parent.
os.register_at_fork(after_in_child=IS_LOCKED["locks"].clear)


def _remove_slash_url(url: str) -> str:
    """Drop slashes from the end of a URL, and what is blank around it."""
    return base_of(url)


def _sanitize_path(x: str) -> str:
    """Make one slash of several, and on Windows of backslashes."""
    if sys.platform == "win32":
        x = x.replace("\\", "/")
    while "//" in x:
        x = x.replace("//", "/")
    return x


def _cast_datetime(x: str) -> datetime:
    """Read a time; the result is UTC without a zone and without fractions of a second."""
    from datetime import UTC, datetime

    time = datetime.fromisoformat(x)
    if time.tzinfo is not None:
        time = time.astimezone(UTC)
    return time.replace(tzinfo=None, microsecond=0)


def _sanitize_uploaders(uploaders: _Uploaders | None) -> list[dict[str, Any]]:
    """Copy uploaders, with times as the service wants them."""
    copies = _arguments.uploaders(uploaders or [])
    for copy in copies:
        if copy.get("until") is not None:
            copy["until"] = _arguments.utc_text(copy["until"], "until")
    return copies


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
        return _core.gypsum_record(site(url), cache, (project, asset, version), path, overwrite)


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
            return _core.gypsum_list_directories(site(url), start, recursive)
        return _core.gypsum_list_files(site(url), start, "", include_dot)


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


def _acquire_lock(cache: str, project: str, asset: str, version: str) -> None:
    """Keep other processes from saving a version until :func:`_release_lock`."""
    from selenite._locks import lock

    key = f"{project}/{asset}/{version}"
    if key in IS_LOCKED["locks"]:
        return
    folder = os.path.join(cache, "status", project, asset, version)
    os.makedirs(folder, exist_ok=True)
    IS_LOCKED["locks"][key] = lock(os.path.join(folder, "LOCK"))


def _release_lock(project: str, asset: str, version: str) -> None:
    """Undo :func:`_acquire_lock`; without it, do nothing."""
    file = IS_LOCKED["locks"].pop(f"{project}/{asset}/{version}", None)
    if file is not None:
        from selenite._locks import unlock

        unlock(file)


def is_notebook() -> bool:
    """Say whether this runs in a notebook.

    Returns:
        True in the kernel of a notebook.

    Example:
        >>> is_notebook()
        False
    """
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    running = shell.get_ipython()
    return running is not None and "IPKernelApp" in running.config


def _is_interactive() -> bool:
    """Say whether somebody can be asked."""
    return is_terminal(sys.stdin) or is_notebook()
