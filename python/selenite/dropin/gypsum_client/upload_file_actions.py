"""Uploads of files and of whole directories."""

from __future__ import annotations

import os
from contextlib import ExitStack

from selenite import _core

from ._defaults import DEFAULT, CacheDir, cache, site
from ._errors import GypsumError, hinting, translated
from ._forms import _remove_slash_url
from .auth import _bearer, access_token
from .cache_directory import cache_directory
from .config import REQUESTS_MOD
from .prepare_directory_for_upload import prepare_directory_upload
from .rest_url import rest_url
from .upload_api_operations import (
    _answered,
    _starting,
    abort_upload,
    complete_upload,
    start_upload,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from selenite._unfinished import Unfinished

__all__ = [
    "REQUESTS_MOD",
    "_remove_slash_url",
    "abort_upload",
    "access_token",
    "cache_directory",
    "complete_upload",
    "prepare_directory_upload",
    "rest_url",
    "start_upload",
    "upload_directory",
    "upload_files",
]


class _sending(translated):  # noqa: N801 -- reads as a word of the `with` statement
    """Name the step that failed, and the file."""

    def __init__(self, base: str) -> None:
        super().__init__("Failed to upload assets in the project")
        self._base = base

    def _translate(self, error: BaseException) -> Exception | None:
        if getattr(error, "method", "PUT") == "POST":
            self._what = "Failed to fetch pre-signed url"
        better = super()._translate(error)
        if isinstance(better, GypsumError) and _lost_tls(self._base, getattr(error, "url", "")):
            hint = (
                "the service is asked over TLS but names plain addresses; it needs `--public-url`"
            )
            better = hinting(better, hint)
        for item in getattr(error, "items", []):
            (better or error).add_note(f"This happened to '{item}'.")
        return better


def _lost_tls(base: str, url: str) -> bool:
    from urllib.parse import urlsplit

    asked, named = urlsplit(base), urlsplit(url)
    same = asked.hostname == named.hostname and asked.port == named.port
    return same and (asked.scheme, named.scheme) == ("https", "http")


def upload_files(
    init: dict[str, Any],
    directory: str | os.PathLike[str] | None = None,
    url: str | None = None,
    concurrent: int = 1,
) -> None:
    """Send the files of an upload to where the service wants them.

    Files are compared with their digests on the way; those that have changed since the upload was
    started are refused.

    Args:
        init: What ``start_upload`` returned.
        directory: Directory that holds the files, by default the working directory.
        url: URL of the service, by default ``rest_url()``.
        concurrent: Uploads at once; 1, the default, leaves the number to the client
            (``SELENITE_JOBS`` limits it).

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a file has changed, or if the service asks for what it must not get.
        GypsumError: If a file is refused, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> session = gypsum_client.start_upload(
        ...     "test-R", "new", "v1", ["a.txt"], url=url, token=token, directory="results"
        ... )
        >>> gypsum_client.upload_files(session, directory="results", url=url)
        >>> gypsum_client.complete_upload(session, url=url)
    """
    _send(init["file_urls"], directory, url, init["session_token"], concurrent)


def _send(
    places: list[dict[str, Any]],
    directory: str | os.PathLike[str] | None,
    url: str | None,
    session: str,
    concurrent: int,
) -> None:
    from selenite._progress import tracking

    folder = os.curdir if directory is None else directory
    place = site(url)
    with tracking("upload_files", folder) as progress, _sending(place[0]):
        _core.gypsum_upload(place, places, session, folder, concurrent, progress)


def _upload_file(info: dict[str, Any], directory: str | None, url: str | None, token: str) -> None:
    """Send one file of an upload."""
    _send([info], directory, url, token, 1)


def _upload_file_wrapper(args: tuple[dict[str, Any], str | None, str | None, str]) -> None:
    """Send one file of an upload."""
    _upload_file(*args)


def upload_directory(
    directory: str | os.PathLike[str],
    project: str,
    asset: str,
    version: str,
    cache_dir: CacheDir = DEFAULT,
    deduplicate: bool = True,
    probation: bool = False,
    url: str | None = None,
    token: str | None = None,
    concurrent: int = 1,
    abort_failed: bool = True,
) -> bool:
    """Upload a directory as a new version.

    Symbolic links must lead to files of the cache, and become links of the registry. What an
    earlier call has left of this upload, since it was killed or was not to abort, is given up.

    Args:
        directory: Directory to upload.
        project: Name of the project.
        asset: Name of the asset; it is made if it does not exist.
        version: Name of the new version.
        cache_dir: Directory of the cache, by default ``cache_directory()``.
        deduplicate: Let the service make links of files that the latest version of the asset has.
        probation: Upload on probation, to be approved or rejected later.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.
        concurrent: Uploads at once; 1, the default, leaves the number to the client
            (``SELENITE_JOBS`` limits it).
        abort_failed: Abort an upload that fails or is interrupted, so that nothing of it stays and
            the project is unlocked.

    Returns:
        True.

    Raises:
        FileNotFoundError: If the directory does not exist.
        ValueError: If a link does not lead to the cache, or if a file changes meanwhile.
        GypsumError: If the service refuses the upload, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> gypsum_client.upload_directory("results", "test-R", "new", "v1", url=url, token=token)
        True
    """
    from selenite._place import Place
    from selenite._session import begun, given_up
    from selenite._unfinished import Unfinished

    place = site(url)
    base, names = place[0], (project, asset, version)
    found = prepare_directory_upload(directory, links="always", cache_dir=cache(cache_dir))
    bearer = _bearer(token)
    with ExitStack() as held:
        with _starting():
            files = _core.gypsum_describe(directory, found["files"])
            content = {"files": files, "links": found["links"]}
            unfinished = held.enter_context(Unfinished(Place("gypsum", base), names))
            given_up(unfinished, place)
            answer = begun(
                unfinished,
                place,
                names,
                content,
                bearer,
                directory,
                deduplicate=deduplicate,
                probation=probation,
                resumable=False,
            )
        init = _answered(answer)
        try:
            upload_files(init, directory, url=base, concurrent=concurrent)
            complete_upload(init, url=base)
            unfinished.forget()
        except BaseException as error:
            if abort_failed:
                _abort(init, base, error, unfinished)
            raise
    return True


def _abort(init: dict[str, Any], url: str, error: BaseException, unfinished: Unfinished) -> None:
    try:
        abort_upload(init, url=url)
        unfinished.forget()
    except (GypsumError, OSError, ValueError) as failure:
        error.add_note(f"The project stays locked: {failure}")
