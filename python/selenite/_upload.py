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
from selenite._session import begun, given_up, is_under_way
from selenite._unfinished import Unfinished

if TYPE_CHECKING:
    _Path = str | os.PathLike[str]


_GOING_ON = "`resume=True` (`selenite put --resume`) goes on with it"


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
    resume: bool = ...,
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
    resume: bool = ...,
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
    resume: bool = False,
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
        keep_on_failure: Leave what was done of an upload that fails, for ``resume``: the copy in
            the staging directory of a Gobbler, or gypsum's session, so that the project stays
            locked.
        resume: Go on where an upload of this version that was interrupted or kept has ended: what
            was sent is not sent again. If nothing is left of one, begin; if the version is there
            with the same files, be content. What fails again is kept again.

    Returns:
        The new version, or, for a dry run, an ``UploadPlan``.

    Raises:
        AlreadyExistsError: If there is such a version, or another process is uploading it.
        InvalidArgumentError: If the directory is not any more what it was when the upload began.
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
    keeps = keep_on_failure or resume
    with _hinting(keeps), _needing_project(where, project):
        is_there = _is_there(where, names, directory, include_hidden, resume)
        if dry_run:
            _refuse_nowhere(where, project, token)
            return _planned(where, names, directory, include_hidden, deduplicate)
        with asking(where, names), Unfinished(where, names) as unfinished:
            if is_there:
                pass
            elif service == "gobbler":
                wanted = _Wanted(probation, consume, not include_hidden, spoof)
                _to_gobbler(where, names, directory, wanted, unfinished, resume, keeps)
            else:
                given = (probation, deduplicate, token)
                _to_gypsum(where, names, directory, *given, unfinished, resume, keeps)
            unfinished.forget()
    return Version(where, *names)


@contextmanager
def _hinting(keeps: bool) -> Iterator[None]:
    """Say how to go on with what was kept."""
    try:
        yield
    except SeleniteError as error:
        if keeps and error.hint is None:
            error.hint = _GOING_ON
        raise


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
            command = f"selenite project create {address_of(where, project)}"
            package = {"gobbler": "pygobbler", "gypsum": "gypsum_client"}[where.service]
            found.hint = f"an administrator makes it, by `{command}` or `{package}.create_project`"
        if found is error:
            raise
        raise found from error


def _missing_project(where: Place, project: str) -> NotFoundError | None:
    try:
        known = _core.registry_names(where.native, None)
    except (OSError, SeleniteError):
        return None  # the first failure is the better news
    return None if project in known else missing(where, (project,))


def _refuse_nowhere(where: Place, project: str, token: str | None) -> None:
    """Fail if an upload would, as far as that can be known beforehand."""
    with asking(where, (project,)):
        is_there = project in _core.registry_names(where.native, None)
    if not is_there:
        raise missing(where, (project,))
    if where.service == "gypsum" and token is None:
        _token(where)


def _is_there(
    where: Place, names: tuple[str, str, str], directory: _Path, include_hidden: bool, resume: bool
) -> bool:
    """Fail if there is such a version, unless it is what an earlier call was to make of this."""
    with asking(where, names):
        found: Any = _core.registry_document(where.native, "/".join([*names, "..summary"]))
    if found is None:
        return False
    inside = address_of(where, *names[:2])
    if not found.get("upload_finish"):
        # Of an upload of ours that has not ended, it is no version yet.
        if Unfinished(where, names).is_noted:
            return False
        raise AlreadyExistsError(
            f"version `{names[2]}` in {inside} is being uploaded",
            address=address_of(where, *names),
            url=where.endpoint and where.shown,
            hint="an administrator can end that, by `gypsum_client.unlock_project`, and remove it",
        )
    if resume:
        check = Version(where, *names).verify(directory, find_extra=True)
        left_out = ".." if include_hidden or where.service == "gypsum" else "."
        others = (one.path for one in check if one.state == "extra")
        if check and all(
            any(name.startswith(left_out) for name in path.split("/")) for path in others
        ):
            return True
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


class _Wanted(NamedTuple):
    """What is wanted of a Gobbler."""

    probation: bool
    consume: bool | None
    ignore_dot: bool
    spoof: str | None


def _to_gobbler(
    where: Place,
    names: tuple[str, str, str],
    directory: _Path,
    wanted: _Wanted,
    unfinished: Unfinished,
    resume: bool,
    keeps: bool,
) -> None:
    from selenite._progress import tracking

    if where.endpoint is None:
        message = "invalid endpoint `None`: give the URL of the service that makes the version"
        raise InvalidArgumentError(message, "endpoint", "None")
    staging = where.staging or _core.gobbler_info(where.endpoint)["staging"]
    copy = _copy_of(directory, staging, unfinished, resume)
    keeps = keeps and unfinished.is_noted
    try:
        with tracking("upload", directory) as progress:
            _core.gobbler_upload(
                *names,
                directory,
                staging,
                where.endpoint,
                wanted.spoof,
                progress,
                probation=wanted.probation,
                consume=wanted.consume,
                ignore_dot=wanted.ignore_dot,
                copy=copy,
                keep_copy=keeps,
            )
    except BaseException:
        if not keeps:
            unfinished.forget()
        raise


def _copy_of(directory: _Path, staging: str, unfinished: Unfinished, resume: bool) -> _Path | None:
    """Say where in the staging directory the copy is to be; None if none is needed."""
    from pathlib import Path

    if Path(directory).resolve().parent == Path(staging).resolve():
        return None
    if resume and unfinished.known is not None:
        copy = Path(staging, str(unfinished.known["copy"]))
        if copy.is_dir():
            return copy
    made = Path(_core.gobbler_allocate(staging, create=True))
    unfinished.note({"copy": made.name})
    return made


def _to_gypsum(
    where: Place,
    names: tuple[str, str, str],
    directory: _Path,
    probation: bool,
    deduplicate: bool,
    token: str | None,
    unfinished: Unfinished,
    resume: bool,
    keeps: bool,
) -> None:
    from selenite._progress import tracking

    if where.endpoint is None or where.cache is None:
        message = "invalid endpoint `None`: give the URL of the service that makes the version"
        raise InvalidArgumentError(message, "endpoint", "None")
    site = (where.endpoint, True)
    found = _core.gypsum_prepare(directory, "auto", where.cache)
    files = _core.gypsum_describe(directory, found["files"])
    content = {"files": files, "links": found["links"]}
    session = _session(directory, content, unfinished, resume)
    if session is None:
        bearer = token or _token(where)
        if unfinished.known is not None:
            given_up(unfinished, site)
            # What is there now is not of ours.
            _is_there(where, names, directory, True, False)
        session = begun(
            unfinished,
            site,
            names,
            content,
            bearer,
            directory,
            deduplicate=deduplicate,
            probation=probation,
            resumable=True,
        )
    secret = session["session_token"]
    try:
        with tracking("upload", directory) as progress:
            places = session["file_urls"]
            _core.gypsum_upload(
                site, places, secret, directory, 0, progress, journal=unfinished.journal
            )
        _core.gypsum_finish(site, session["complete_url"], secret, abort=False)
    except BaseException as error:
        # Without a note nobody could go on with it.
        if not (keeps and unfinished.is_noted):
            try:
                _core.gypsum_finish(site, session["abort_url"], secret, abort=True)
                unfinished.forget()
            except (OSError, SeleniteError, ValueError) as failure:
                error.add_note(f"The project stays locked: {failure}")
        raise


def _session(
    directory: _Path, content: dict[str, Any], unfinished: Unfinished, resume: bool
) -> Any:  # noqa: ANN401 (as the service has it)
    """Find the session that is to be gone on with."""
    if unfinished.known is None or not resume:
        return None
    session = unfinished.known["session"]
    if not is_under_way(session):
        return None
    changed = _changed(unfinished.known["content"], content)
    if changed is None:
        return session
    message = f"`{os.fspath(directory)}` is not any more what was being uploaded: {changed}"
    error = InvalidArgumentError(message, "directory", os.fspath(directory))
    error.hint = "without `resume` (`--resume`) it is uploaded anew"
    raise error


def _changed(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Name something that has changed, if anything has."""

    def by_path(content: dict[str, Any]) -> dict[str, Any]:
        found = {one["path"]: one for one in content["files"]}
        return found | {one["from_path"]: one for one in content["links"]}

    old, new = by_path(before), by_path(now)
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            state = "gone" if path not in new else "new" if path not in old else "different"
            return f"`{path}` is {state}"
    return None


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
