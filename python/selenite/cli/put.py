"""``selenite put``: a directory as a new version."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from selenite import _core
from selenite._display import count_text
from selenite._exceptions import PermissionDeniedError, SeleniteError
from selenite._gobbler import current_user
from selenite._registry import Project
from selenite._upload import UploadPlan, upload
from selenite.cli._common import Options, argument, command, dry_run, flag, option
from selenite.cli._complete import AddressType
from selenite.cli._errors import DAMAGED, NOT_FOUND, USAGE, CommandError
from selenite.cli._output import Output, sized
from selenite.cli._target import place_for, registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from selenite._place import Place
    from selenite._upload import PlannedFile

_SIZE_WIDTH = 8


@command(
    "put",
    argument("source", metavar="DIRECTORY", type=click.Path()),
    argument("address", type=AddressType()),
    flag("--probation", help="On probation, to be approved or rejected later."),
    flag("--no-dedup", help="Upload equal files again (gypsum)."),
    flag("--consume", help="Let the Gobbler move the files out of its staging directory."),
    flag("--include-hidden", help="What begins with a dot, too; gypsum always takes it."),
    option("--spoof", metavar="USER", help="On behalf of this user (Gobbler)."),
    flag(
        "--keep-on-failure", help="Leave what failed, for --resume; gypsum's project stays locked."
    ),
    flag("--resume", help="Go on with an upload that was interrupted; what fails again is left."),
    option("--size", metavar="N", type=click.IntRange(min=0), help="Bytes on standard input."),
    dry_run(),
    examples=(
        "selenite put results gobbler:demo/rna/v3 --dry-run",
        "selenite put results gypsum:demo/rna/v3 --probation",
        "selenite put results gypsum:demo/rna/v3 --resume",
        "make report | selenite put - gobbler:demo/report/v1/report.html",
    ),
)
def put(
    options: Options,
    source: str,
    address: str,
    probation: bool,
    no_dedup: bool,
    consume: bool,
    include_hidden: bool,
    spoof: str | None,
    keep_on_failure: bool,
    resume: bool,
    size: int | None,
    dry_run: bool,
) -> None:
    """Upload a directory as a new version. Versions never change.

    Files that the latest version has already become links to it. DIRECTORY `-` is standard input,
    for a version of the one file at ADDRESS.
    """
    if address.startswith("girder:"):
        from selenite.cli._girder import put as girder_put

        girder_put(options, source, address, dry_run=dry_run)
        return
    target = registry(address, options, least=3)
    if (target.path is not None) != (source == "-"):
        wanted = "names no file" if source == "-" else "names a file, not a version"
        raise CommandError(USAGE, f"`{address}` {wanted}")
    if size is not None and source != "-":
        raise click.UsageError("`--size` is of standard input")
    if resume and source == "-":
        raise click.UsageError("`--resume` needs a directory: standard input comes once")
    if source != "-" and Path(source).is_file():
        hint = f"`selenite put - {address}/NAME` takes one file from standard input"
        raise CommandError(NOT_FOUND, f"{source}: not a directory", hint)
    where = place_for(str(target.scheme), options)
    token = _token(options) if target.scheme == "gypsum" else None
    with (
        _directory(source, target.path, size) as directory,
        _explained(where, target.names[0], options, keeps=keep_on_failure or resume),
    ):
        send: Any = upload
        done = send(
            directory,
            f"{target.scheme}:{'/'.join(target.names)}",
            probation=probation,
            dry_run=dry_run,
            deduplicate=not no_dedup,
            include_hidden=include_hidden or source == "-",
            consume=consume or None,
            spoof=spoof,
            endpoint=where.endpoint,
            registry=where.registry,
            staging=where.staging,
            cache=where.cache,
            token=token,
            keep_on_failure=keep_on_failure,
            resume=resume,
        )
    if isinstance(done, UploadPlan):
        _show(options, done, f"{target.scheme}:{'/'.join(target.names)}")
        _doubt(where, target.names[0], target.names[1], options)
        return
    manifest = done.manifest
    facts = {
        "address": done.address,
        "uploaded": manifest.files - manifest.links,
        "linked": manifest.links,
        "bytes": manifest.total_bytes - manifest.linked_bytes,
    }
    Output(options).facts(facts, [done.address], done.address)


@contextmanager
def _explained(where: Place, project: str, options: Options, *, keeps: bool) -> Iterator[None]:
    """Say who is refused and who may allow it, and how to go on with what was interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        if keeps:
            click.echo("hint: `--resume` goes on with it", err=True)
        raise
    except PermissionDeniedError as error:
        if error.hint is None:
            error.hint = _owners(where, project, options)
        raise


def _owners(where: Place, project: str, options: Options) -> str | None:
    try:
        owners = Project(where, project).permissions.get("owners", [])
    except (OSError, ValueError, SeleniteError):
        return None  # it is only a hint
    user = _user(where, options)
    names = ", ".join(map(str, owners))
    who = f"{'owner' if len(owners) == 1 else 'owners'} of {project}: {names or 'nobody'}"
    return f"you are {user}; {who}" if user else who


def _user(where: Place, options: Options) -> str | None:
    """Say who asks; None if only the service knows."""
    if where.service == "gobbler":
        return current_user()
    from selenite.cli.auth import token_of

    found, _ = token_of(options)
    return found["name"] if found else None


def _doubt(where: Place, project: str, asset: str, options: Options) -> None:
    """Say that an upload may be refused. Who is an administrator, nobody can be asked."""
    user = _user(where, options)
    try:
        rights = Project(where, project).permissions
        # An asset of a Gobbler may have some of its own.
        path = f"{project}/{asset}/..permissions"
        more: Any = _core.registry_document(where.native, path) or {}
    except (OSError, ValueError, SeleniteError):
        return  # it is only a doubt
    named = [
        name
        for one in (rights, more)
        for name in (*(one.get("owners") or []), *map(_id, one.get("uploaders") or []))
    ]
    if user is not None and user not in named and not rights.get("global_write"):
        told = f"{user} is no owner or uploader of {project}: only an administrator could upload"
        Output(options).note(told)


def _id(uploader: dict[str, Any]) -> object:
    return uploader.get("id")


def _token(options: Options) -> str:
    from selenite.cli.auth import no_token, token_of

    found, _ = token_of(options)
    if found is None:
        raise no_token()
    return str(found["token"])


def _directory(source: str, path: str | None, size: int | None) -> AbstractContextManager[str]:
    if path is None:
        return nullcontext(source)
    return _Spooled(path, size)


class _Spooled:
    """A directory with standard input as its only file."""

    def __init__(self, path: str, size: int | None) -> None:
        self._path = path
        self._size = size
        self._directory = tempfile.TemporaryDirectory(prefix="selenite-put-")

    def __enter__(self) -> str:
        root = self._directory.__enter__()
        try:
            place = Path(root, self._path)
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 8 << 20)
            found = place.stat().st_size
            if self._size is not None and found != self._size:
                message = f"standard input has {count_text(found, 'byte')}, not {self._size:,}"
                raise CommandError(DAMAGED, message)
        except BaseException:
            self._directory.cleanup()
            raise
        return os.fspath(root)

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 (as Python has it)
        self._directory.cleanup()


def _show(options: Options, plan: UploadPlan, short: str) -> None:
    output = Output(options, plan.address)

    def item(file: PlannedFile) -> dict[str, Any]:
        return {"path": file.path, "size": file.size, "link": file.link}

    def line(one: dict[str, Any]) -> str:
        mark = "=" if one["link"] else "+"
        link = f" -> {output.shown(one['link'])}" if one["link"] else ""
        return f"{mark} {sized(one['size']):>{_SIZE_WIDTH}}  {output.shown(one['path'])}{link}"

    output.items(map(item, plan), line, lambda one: str(one["path"]))
    uploaded, linked = plan.uploaded, plan.linked

    def told(files: list[PlannedFile], noun: bool) -> str:
        count = count_text(len(files), "file") if noun else f"{len(files):,}"
        return f"{count} ({sized(sum(file.size for file in files))})"

    rest = f" and link {told(linked, False)}" if linked else ""
    output.note(f"would upload {told(uploaded, True)}{rest} as {short}")
