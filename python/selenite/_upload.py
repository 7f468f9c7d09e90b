"""Uploads to both kinds of registry, and what they would do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from selenite import _core
from selenite._arguments import check_kind, path_text
from selenite._display import count_text, plain, size_text, table
from selenite._exceptions import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    SeleniteError,
    StatusError,
)
from selenite._failures import address_of, asking, missing
from selenite._place import Place, place
from selenite._registry import LATEST, Version

if TYPE_CHECKING:
    _Path = str | os.PathLike[str]


class PlannedFile(NamedTuple):
    """A file of a new version.

    Attributes:
        path: Its path in the version.
        size: Its size in bytes.
        link: The file of the registry that it would be a link to, as
            ``project/asset/version/path``; None if it would be uploaded.
    """

    path: str
    size: int
    link: str | None


class UploadPlan(Sequence[PlannedFile]):
    """What an upload would do, sorted by path."""

    __slots__ = ("_address", "_files")

    def __init__(self, address: str, files: list[PlannedFile]) -> None:
        """Keep the files."""
        self._address = address
        self._files = files

    @property
    def address(self) -> str:
        """Address of the new version."""
        return self._address

    @property
    def uploaded(self) -> list[PlannedFile]:
        """The files that would be uploaded."""
        return [file for file in self._files if file.link is None]

    @property
    def linked(self) -> list[PlannedFile]:
        """The files that would become links."""
        return [file for file in self._files if file.link is not None]

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> PlannedFile: ...
    @overload
    def __getitem__(self, index: slice) -> list[PlannedFile]: ...
    def __getitem__(self, index: int | slice) -> PlannedFile | list[PlannedFile]:
        """Return a file, or several."""
        return self._files[index]

    def __iter__(self) -> Iterator[PlannedFile]:
        """Iterate over the files."""
        return iter(self._files)

    def _told(self) -> str:
        def told(files: list[PlannedFile]) -> str:
            return f"{count_text(len(files), 'file')} ({size_text(sum(f.size for f in files))})"

        return f"uploads {told(self.uploaded)}, links {told(self.linked)}"

    def __repr__(self) -> str:
        """Show the numbers."""
        return f"UploadPlan({plain(self._address)!r}, {self._told()})"

    def _repr_html_(self) -> str:
        rows = (
            ("+", file.path, size_text(file.size), "")
            if file.link is None
            else ("=", file.path, size_text(file.size), f"→ {file.link}")
            for file in self._files
        )
        title = f"{self._address}: {self._told()}"
        return table(title, ("", "path", "size", "link"), rows, len(self))


@overload
def upload(
    directory: _Path,
    address: str,
    *,
    probation: bool = ...,
    dry_run: Literal[False] = ...,
    deduplicate: bool = ...,
    include_hidden: bool = ...,
    consume: bool | None = ...,
    spoof: str | None = ...,
    endpoint: str | None = ...,
    registry: _Path | None = ...,
    staging: _Path | None = ...,
    cache: _Path | None = ...,
    token: str | None = ...,
    keep_on_failure: bool = ...,
) -> Version: ...
@overload
def upload(
    directory: _Path,
    address: str,
    *,
    probation: bool = ...,
    dry_run: Literal[True],
    deduplicate: bool = ...,
    include_hidden: bool = ...,
    consume: bool | None = ...,
    spoof: str | None = ...,
    endpoint: str | None = ...,
    registry: _Path | None = ...,
    staging: _Path | None = ...,
    cache: _Path | None = ...,
    token: str | None = ...,
    keep_on_failure: bool = ...,
) -> UploadPlan: ...
def upload(
    directory: _Path,
    address: str,
    *,
    probation: bool = False,
    dry_run: bool = False,
    deduplicate: bool = True,
    include_hidden: bool = False,
    consume: bool | None = None,
    spoof: str | None = None,
    endpoint: str | None = None,
    registry: _Path | None = None,
    staging: _Path | None = None,
    cache: _Path | None = None,
    token: str | None = None,
    keep_on_failure: bool = False,
) -> Version | UploadPlan:
    """Upload a directory as a new version. Versions never change: the name must be a new one.

    Files that the latest version of the asset has become links to them.

    Args:
        directory: The directory.
        address: ``gobbler:project/asset/version`` or ``gypsum:project/asset/version``.
        probation: Upload on probation, to be approved or rejected later.
        dry_run: Change nothing, and return what would be done.
        deduplicate: Let equal files become links; the Gobbler always does that.
        include_hidden: Upload what begins with a dot, too; gypsum always does that.
        consume: Whether the Gobbler may move the files out of its staging directory; None to allow
            it for copies only.
        spoof: User on whose behalf the Gobbler is asked, if it allows that.
        endpoint: URL of the service, as for ``selenite.open``.
        registry: Directory of the registry, as for ``selenite.open``.
        staging: Staging directory of the Gobbler. By default what ``selenite.configure`` says, else
            ``GOBBLER_STAGING``, else what the service says.
        cache: Directory of the cache: links into it become links of a gypsum registry.
        token: Access token of gypsum. By default that of ``gypsum_client``, ``GYPSUM_TOKEN`` or
            ``GYPSUM_TOKEN_FILE``.
        keep_on_failure: Leave an upload to gypsum that fails as it is; the project stays locked.

    Returns:
        The new version, or, for a dry run, an ``UploadPlan``.

    Raises:
        AlreadyExistsError: If there is such a version.
        PermissionDeniedError: If the user may not upload there, or no token is known.
        NotFoundError: If there is no such project.
        FileNotFoundError: If there is no such directory.
        TransportError: If the service cannot be reached.

    Example:
        >>> import selenite
        >>> plan = selenite.upload("results", "gobbler:demo/rna/v3", dry_run=True, endpoint=url)
        >>> [(file.path, file.link) for file in plan]
        [('a.txt', 'demo/rna/v2/a.txt'), ('more.txt', None)]
        >>> selenite.upload("results", "gobbler:demo/rna/v3", endpoint=url)
        Version('gobbler://demo/rna/v3', ? files, ?)
    """
    from pathlib import Path

    check_kind(address, str, "address", "a text")
    path_text(directory, "directory")
    # The drop-ins say the same of a directory that is none.
    if not Path(directory).is_dir():
        import errno

        code = errno.ENOTDIR if Path(directory).exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), os.fspath(directory))
    parts = _core.parse_address(address)
    project, asset, version = parts["project"], parts["asset"], parts["version"]
    if parts["scheme"] not in ("gobbler", "gypsum") or parts["path"] is not None:
        project = None
    if project is None or asset is None or version is None or version == LATEST:
        why = "expected `gobbler:` or `gypsum:` with project, asset and a new version"
        raise InvalidArgumentError(f"invalid address `{address}`: {why}", "address", address)
    service: Any = parts["scheme"]
    where = place(service, endpoint, registry, cache, staging)
    names = (project, asset, version)
    _refuse_existing(where, names)
    if dry_run:
        return _planned(where, names, directory, include_hidden, deduplicate)
    with _needing_project(where, project), asking(where, names):
        if service == "gobbler":
            _to_gobbler(where, names, directory, probation, consume, not include_hidden, spoof)
        else:
            _to_gypsum(where, names, directory, probation, deduplicate, token, keep_on_failure)
    return Version(where, *names)


@contextmanager
def _needing_project(where: Place, project: str) -> Iterator[None]:
    """Say who makes projects, if there is none of that name."""
    try:
        yield
    except (NotFoundError, StatusError) as error:
        found: NotFoundError | StatusError = error
        if where.service == "gypsum" and isinstance(error, StatusError) and error.status == 400:
            # So it answers to whatever is wrong.
            found = _missing_project(where, project) or error
        if found.reason == "no such project" and found.hint is None:
            found.hint = {
                "gobbler": "an administrator makes it, by `pygobbler.create_project`",
                "gypsum": "an administrator makes it, by `gypsum_client.create_project`",
            }[where.service]
        if found is error:
            raise
        raise found from error


def _missing_project(where: Place, project: str) -> NotFoundError | None:
    try:
        known = _core.registry_names(where.native, None)
    except (OSError, SeleniteError):
        return None  # the first failure is the better news
    return None if project in known else missing(where, (project,))


def _refuse_existing(where: Place, names: tuple[str, str, str]) -> None:
    with asking(where, names):
        found = _core.registry_document(where.native, "/".join([*names, "..summary"]))
    if found is None:
        return
    inside = address_of(where, *names[:2])
    taken = set(_core.registry_names(where.native, "/".join(names[:2])))
    raise AlreadyExistsError(
        f"version `{names[2]}` exists in {inside}",
        address=address_of(where, *names),
        url=where.endpoint and where.shown,
        hint=f"versions never change; next free name: `{_next_free(names[2], taken)}`",
    )


def _next_free(name: str, taken: set[str]) -> str:
    """Count on where a name ends with a number, else begin to count."""
    import re

    found = re.fullmatch(r"(.*?)(\d+)", name, re.DOTALL)
    stem, number = (found[1], int(found[2])) if found else (f"{name}-", 1)
    width = len(found[2]) if found else 1
    while True:
        number += 1
        candidate = f"{stem}{number:0{width}d}"
        if candidate not in taken:
            return candidate


def _planned(
    where: Place,
    names: tuple[str, str, str],
    directory: _Path,
    include_hidden: bool,
    deduplicate: bool,
) -> UploadPlan:
    from selenite._progress import tracking

    links_into = where.registry if where.service == "gobbler" else where.cache
    with tracking("plan", directory) as progress, asking(where, names[:2]):
        if where.service == "gobbler" and links_into is None and where.endpoint is not None:
            links_into = _core.gobbler_info(where.endpoint)["registry"]
        found = _core.upload_plan(
            where.native,
            *names[:2],
            directory,
            links_into,
            progress,
            ignore_dot=not include_hidden,
            deduplicate=deduplicate or where.service == "gobbler",
        )
    address = f"{where.service}://" + "/".join(names)
    return UploadPlan(address, [PlannedFile(*file) for file in found])


def _to_gobbler(
    where: Place,
    names: tuple[str, str, str],
    directory: _Path,
    probation: bool,
    consume: bool | None,
    ignore_dot: bool,
    spoof: str | None,
) -> None:
    from selenite._progress import tracking

    if where.endpoint is None:
        message = "invalid endpoint `None`: give the URL of the service that makes the version"
        raise InvalidArgumentError(message, "endpoint", "None")
    staging = where.staging or _core.gobbler_info(where.endpoint)["staging"]
    with tracking("upload", directory) as progress:
        _core.gobbler_upload(
            *names,
            directory,
            staging,
            where.endpoint,
            spoof,
            progress,
            probation=probation,
            consume=consume,
            ignore_dot=ignore_dot,
        )


def _to_gypsum(
    where: Place,
    names: tuple[str, str, str],
    directory: _Path,
    probation: bool,
    deduplicate: bool,
    token: str | None,
    keep_on_failure: bool,
) -> None:
    from selenite._progress import tracking

    if where.endpoint is None or where.cache is None:
        message = "invalid endpoint `None`: give the URL of the service that makes the version"
        raise InvalidArgumentError(message, "endpoint", "None")
    token = token or _token(where)
    site = (where.endpoint, True)
    found = _core.gypsum_prepare(directory, "auto", where.cache)
    session = _core.gypsum_start(
        site,
        names,
        found["files"],
        found["links"],
        token,
        directory,
        deduplicate=deduplicate,
        probation=probation,
    )
    secret = session["session_token"]
    try:
        with tracking("upload", directory) as progress:
            _core.gypsum_upload(site, session["file_urls"], secret, directory, 0, progress)
        _core.gypsum_finish(site, session["complete_url"], secret, abort=False)
    except BaseException as error:
        if not keep_on_failure:
            try:
                _core.gypsum_finish(site, session["abort_url"], secret, abort=True)
            except (OSError, SeleniteError, ValueError) as failure:
                error.add_note(f"The project stays locked: {failure}")
        raise


def _token(where: Place) -> str:
    from gypsum_client.auth import access_token

    found = access_token(request=False, cache_dir=where.cache)
    if found is None:
        raise PermissionDeniedError(
            f"no token for gypsum at {where.shown}",
            url=where.shown,
            hint="`selenite auth login`, or set GYPSUM_TOKEN or GYPSUM_TOKEN_FILE",
        )
    return found
