"""Sessions of uploads: started, completed or aborted."""

from __future__ import annotations

import os

from selenite import _core
from selenite._arguments import records
from selenite._exceptions import AlreadyExistsError

from ._defaults import site
from ._errors import GypsumError, checked, hinting, translated
from ._forms import _remove_slash_url, _sanitize_path
from .auth import _bearer, access_token
from .config import REQUESTS_MOD
from .rest_url import rest_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    _Path = str | os.PathLike[str]
    _Files = _Path | Mapping[str, Any] | Iterable[_Path | Mapping[str, Any]]

__all__ = [
    "REQUESTS_MOD",
    "_remove_slash_url",
    "_sanitize_path",
    "abort_upload",
    "access_token",
    "complete_upload",
    "rest_url",
    "start_upload",
]


class _starting(translated):  # noqa: N801 -- reads as a word of the `with` statement
    """Say what may have happened if no answer came."""

    def __init__(self) -> None:
        super().__init__("Failed to start an upload")

    def _translate(self, error: BaseException) -> Exception | None:
        if isinstance(error, AlreadyExistsError):
            return GypsumError(f"{self._what}: {error}")
        better = super()._translate(error)
        was_asked = "/upload/start/" in getattr(error, "url", "")
        if isinstance(better, GypsumError) and was_asked and (better.status_code or 500) >= 500:
            hint = "if it was started nevertheless, the project is locked: see `unlock_project`"
            return hinting(better, hint)
        return better


def start_upload(
    project: str,
    asset: str,
    version: str,
    files: _Files,
    links: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
    deduplicate: bool = True,
    probation: bool = False,
    url: str | None = None,
    token: str | None = None,
    directory: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Start the upload of a new version.

    The project is locked until the upload is completed or aborted. A version that exists is left
    alone.

    Args:
        project: Name of the project.
        asset: Name of the asset; it is made if it does not exist.
        version: Name of the new version.
        files: Paths relative to ``directory``, or dictionaries with ``path``, ``size``, ``md5sum``
            and possibly ``dedup``.
        links: Links to files of the registry: dictionaries with ``from.path``, ``to.project``,
            ``to.asset``, ``to.version`` and ``to.path``.
        deduplicate: Let the service make links of files that the latest version of the asset has,
            unless their dictionary says otherwise.
        probation: Upload on probation, to be approved or rejected later.
        url: URL of the service, by default ``rest_url()``.
        token: Access token, by default ``access_token()``.
        directory: Directory that holds the files, by default the working directory.

    Returns:
        A dictionary with ``file_urls`` (where to send which file), ``complete_url``, ``abort_url``
        and ``session_token``.

    Raises:
        ValueError: If ``files`` has both paths and dictionaries.
        FileNotFoundError: If a file does not exist.
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> session = gypsum_client.start_upload(
        ...     "test-R", "new", "v1", ["a.txt"], url=url, token=token, directory="results"
        ... )
        >>> [entry["path"] for entry in session["file_urls"]]
        ['a.txt']
        >>> gypsum_client.abort_upload(session, url=url)
    """
    with _starting():
        answer = _core.gypsum_start(
            site(url),
            (project, asset, version),
            _listed(files),
            records(links or [], "links"),
            _bearer(token),
            directory,
            deduplicate=deduplicate,
            probation=probation,
        )
    return _answered(answer)


def _answered(answer: Any) -> dict[str, Any]:
    """Fail if a start was refused nevertheless."""
    if isinstance(answer, dict) and answer.get("status") == "error":
        # Some refusals come with the status of a success.
        reason = answer.get("reason")
        message = f"Failed to upload, 200 and reason: {reason}"
        raise GypsumError(message, 200, reason)
    return checked(answer, "Failed to upload", file_urls=list)


def _listed(files: _Files) -> list[str] | list[dict[str, Any]]:
    from collections.abc import Mapping

    if isinstance(files, str | os.PathLike | Mapping):
        files = [files]
    given = list(files)
    paths = [os.fspath(file) for file in given if isinstance(file, str | os.PathLike)]
    described = [file for file in given if isinstance(file, Mapping)]
    if len(paths) == len(given):
        return paths
    if len(described) == len(given):
        return records(described, "files")
    message = "All elements in 'files' must be strings or dicts, but not a mix."
    raise ValueError(message)


def complete_upload(init: dict[str, Any], url: str | None = None) -> None:
    """Complete an upload: the version is there from now on.

    Args:
        init: What ``start_upload`` returned.
        url: URL of the service, by default ``rest_url()``.

    Raises:
        GypsumError: If files are missing, or if the service cannot be reached.

    Example:
        >>> import gypsum_client
        >>> session = gypsum_client.start_upload("test-R", "new", "v1", [], url=url, token=token)
        >>> gypsum_client.complete_upload(session, url=url)
    """
    with translated("Failed to complete an upload session"):
        _core.gypsum_finish(site(url), init["complete_url"], init["session_token"], abort=False)


def abort_upload(init: dict[str, Any], url: str | None = None) -> None:
    """Abort an upload: nothing of it stays.

    Args:
        init: What ``start_upload`` returned.
        url: URL of the service, by default ``rest_url()``.

    Raises:
        GypsumError: If the service refuses the request, or cannot be reached.

    Example:
        >>> import gypsum_client
        >>> session = gypsum_client.start_upload("test-R", "new", "v1", [], url=url, token=token)
        >>> gypsum_client.abort_upload(session, url=url)
    """
    with translated("Failed to abort the upload"):
        _core.gypsum_finish(site(url), init["abort_url"], init["session_token"], abort=True)
