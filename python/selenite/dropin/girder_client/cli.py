"""The command ``girder-client``."""

from __future__ import annotations

import http.client
import logging
import os
import sys
from http.client import responses
from typing import TYPE_CHECKING

import click
import requests

from selenite import _rest

from . import GirderClient, HttpError, __version__, _bodies, _reporting
from ._errors import AuthenticationError
from ._jsonemitter import _JSONEmitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Any

    Record = dict[str, Any]

_logger = logging.getLogger("girder_client.cli")

_CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


class _Bar:
    """Shows the progress of a file by a bar on a terminal, elsewhere by a line of its name."""

    reportProgress = sys.stdout.isatty() if sys.stdout is not None else False

    def __init__(self, label: str = "", length: int = 0) -> None:
        self._label = label
        self._bar: Any = None
        if self.reportProgress:
            self._bar = click.progressbar(
                length=length, label=label, show_pos=True, item_show_func=None
            )
            self._bar.format_pos = self._position

    def _position(self) -> str:
        done = _size(self._bar.pos)
        return done if self._bar.length is None else f"{done}/{_size(self._bar.length)}"

    def update(self, chunkSize: int) -> None:
        if self._bar is not None:
            self._bar.update(chunkSize)

    def __enter__(self) -> _Bar:
        if self._bar is not None:
            self._bar.__enter__()
        else:
            print(self._label)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, traceback)


def _size(count: float) -> str:
    """Write a number of bytes.

    >>> _size(12288), _size(5)
    ('12.00k', '5.00')
    """
    for unit in ("", "k", "M", "G", "T"):
        if abs(count) < 1024:
            return f"{count:.2f}{unit}"
        count /= 1024
    return f"{count:.2f}P"


class GirderCli(GirderClient):
    """A client that logs in when it is made, and sends each request through a session.

    Attributes:
        sslVerify: Whether certificates are checked, or the file of those that are trusted.
        retries: How often adapters of sessions try again.
    """

    def __init__(
        self,
        username: str | None,
        password: str | None,
        host: str | None = None,
        port: int | None = None,
        apiRoot: str | None = None,
        scheme: str | None = None,
        apiUrl: str | None = None,
        apiKey: str | None = None,
        sslVerify: bool | str = True,
        token: str | None = None,
        retries: int | None = None,
        *,
        otp: str | None = None,
        jobs: int | None = None,
        progress: bool = True,
    ) -> None:
        """Say where the server is, and log in.

        Args:
            username: Login or email.
            password: The password; asked for on the terminal if only a name is given.
            host: Name of the server.
            port: Its port.
            apiRoot: Path of its API.
            scheme: ``http`` or ``https``.
            apiUrl: URL of its API, instead of all that.
            apiKey: An API key, which comes before a name.
            sslVerify: Whether certificates are checked, or the file of those that are trusted.
            token: What the server knows the user by.
            retries: How often adapters of sessions try again.
            otp: The one-time password, if the account asks for one.
            jobs: How many files are moved at once.
            progress: Whether progress is shown.
        """
        reporter = _Bar if progress else _reporting._NoopProgressReporter
        super().__init__(host, port, apiRoot, scheme, apiUrl, progressReporterCls=reporter)
        self.sslVerify = sslVerify
        self.retries = retries
        self.maxWorkers = jobs
        if token:
            self.setToken(token)
        if apiKey:
            self.authenticate(apiKey=apiKey)
        elif username:
            is_asked = not password
            self.authenticate(username, password, interactive=is_asked, otp=otp)

    def sendRestRequest(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request through a session; see `GirderClient.sendRestRequest`."""
        # Of threads that come here together, each finds the same session.
        before = self._session
        if before is None:
            self._session = self._own_session()
        try:
            return super().sendRestRequest(*args, **kwargs)
        finally:
            if before is None:
                self._session = None

    def _own_session(self) -> requests.Session:
        session = self._connections.session()
        session.verify = self.sslVerify
        if self.retries and self.urlBase not in session.adapters:
            session.mount(self.urlBase, _rest.Adapter(max_retries=self.retries))
        return session


_bodies.remember(GirderCli)


class _HiddenOption(click.Option):
    """An option that the help does not show."""

    def get_help_record(self, ctx: click.Context) -> None:
        """Show nothing."""


class _AdvancedOption(click.Option):
    """An option that the help shows in a section of its own."""


def _told(error: BaseException) -> str | None:
    """What a line says of a failure; None if nobody expects it."""
    if isinstance(error, AuthenticationError):
        return f"the server refuses the login{f': {error}' if error.args else ''}"
    if isinstance(error, HttpError):
        return str(error).replace("\n", "; ")
    if isinstance(error, requests.RequestException | OSError | ValueError):
        return str(error) or type(error).__name__
    return None


class _Line:
    """Tells in a line why the command failed, if nobody has caught that and the program ends."""

    def __init__(self, error: Exception) -> None:
        self._plain = sys.excepthook
        self.error = error

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        text = _told(error) if error is self.error else None
        if text is None:
            self._plain(kind, error, traceback)
        else:
            click.echo(f"Error: {text}", err=True)


class _Group(click.Group):
    """Commands whose help has a section of advanced options."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command.

        What fails is raised, for programs that call this. The scripts of this package and of the
        original do no more than call it, and show the line.
        """
        try:
            return super().main(*args, **kwargs)
        except Exception as error:
            if isinstance(sys.excepthook, _Line):
                sys.excepthook.error = error
            else:
                sys.excepthook = _Line(error)
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Advanced Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_advanced = isinstance(parameter, _AdvancedOption)
                sections["Advanced Options" if is_advanced else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        self.format_commands(ctx, formatter)


def _set_logging_level(verbosity: int) -> None:
    levels = [logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG]
    level = levels[min(verbosity, 3)]
    if verbosity:
        logging.basicConfig(level=level)
    for name in ("girder_client", "requests.packages.urllib3"):
        logging.getLogger(name).setLevel(level)
    if verbosity >= 3:
        http.client.HTTPConnection.debuglevel = 1


def _exclusive(ctx: click.Context, one: str, other: str) -> None:
    message = f'Option "--{one}" and option "--{other}" are mutually exclusive.'
    raise click.UsageError(message, ctx)


@click.group(cls=_Group, context_settings=_CONTEXT_SETTINGS)
@click.option("--api-url", help="RESTful API URL (e.g https://girder.example.com:443/api/v1)")
@click.option("--api-key", envvar="GIRDER_API_KEY", help="[default: GIRDER_API_KEY env. variable]")
@click.option("--username")
@click.option("--password")
@click.option("--otp", help="One-time password, if the account asks for one")
@click.option("--jobs", type=click.IntRange(1), help="Number of files that are moved at once")
@click.option("--no-progress", is_flag=True, help="Show no progress of single files")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Enable verbose mode (use multiple to increase verbosity)",
)
@click.option("--host", cls=_AdvancedOption, help="[default: localhost]")
@click.option("--scheme", cls=_AdvancedOption, help="[default: http if localhost else https]")
@click.option(
    "--port",
    cls=_AdvancedOption,
    help="[default: 443 if https; 8080 if localhost else 80]",
)
@click.option(
    "--api-root",
    cls=_AdvancedOption,
    help="relative path to the Girder REST API [default: api/v1]",
)
@click.option("--no-ssl-verify", is_flag=True, cls=_AdvancedOption, help="Disable SSL Verification")
@click.option(
    "--ca-certificate",
    cls=_AdvancedOption,
    help="Specify path to CA certificate to use to verify the server",
)
@click.option("--token", cls=_AdvancedOption, help="Authentication token to use")
@click.option(
    "--retries", type=int, cls=_AdvancedOption, help="Number of times to retry failed requests"
)
@click.version_option(
    version=__version__, message="Girder command line interface, version %(version)s"
)
@click.pass_context
def main(
    ctx: click.Context,
    api_url: str | None,
    api_key: str | None,
    username: str | None,
    password: str | None,
    otp: str | None,
    jobs: int | None,
    no_progress: bool,
    verbose: int,
    host: str | None,
    scheme: str | None,
    port: str | None,
    api_root: str | None,
    no_ssl_verify: bool,
    ca_certificate: str | None,
    token: str | None,
    retries: int | None,
) -> None:
    """Perform common Girder CLI operations.

    The CLI is particularly suited to upload (or download) large, nested hierarchy of data to (or
    from) Girder from (or into) a local directory.

    The recommended way to use credentials is to first generate an API key and then specify the
    ``api-key`` argument or set the ``GIRDER_API_KEY`` environment variable.

    The client also supports ``username`` and ``password`` args. If only the ``username`` is
    specified, the client will prompt the user to interactively input his/her password.
    """
    parts = {"host": host, "scheme": scheme, "port": port, "api-root": api_root}
    if api_url:
        for name, value in parts.items():
            if value:
                _exclusive(ctx, "api-url", name)
    if no_ssl_verify and ca_certificate:
        _exclusive(ctx, "no-ssl-verify", "ca-certificate")
    _set_logging_level(verbose)
    verify: bool | str = ca_certificate or not no_ssl_verify
    ctx.obj = GirderCli(
        *(username, password),
        host=host,
        port=int(port) if port else None,
        apiRoot=api_root,
        scheme=scheme,
        apiUrl=api_url,
        apiKey=api_key,
        sslVerify=verify,
        token=token,
        retries=retries,
        otp=otp,
        jobs=jobs,
        progress=not no_progress,
    )


def _lookup_parent_type(client: GirderClient, object_id: str) -> str | None:
    for kind in ("folder", "collection", "user", "item", "file"):
        try:
            client.get(f"resource/{object_id}/path", parameters={"type": kind})
        except HttpError as error:
            if error.status != 400:
                raise
        else:
            return kind
    return None


_common_help = (
    "PARENT_ID is the id of the Girder parent target and LOCAL_FOLDER is the path to the local "
    "target folder."
)


def _CommonParameters(
    path_exists: bool = False,
    path_writable: bool = True,
    additional_parent_types: Sequence[str] = ("collection", "user"),
    path_default: str | None = None,
    multiple_local: bool = False,
) -> Callable[[Any], Any]:
    """Give a command what all of them take.

    Args:
        path_exists: Whether the local folder has to be there.
        path_writable: Whether it has to be writable.
        additional_parent_types: What a parent may be besides a folder.
        path_default: The local folder if none is named.
        multiple_local: Whether there may be several.
    """
    kinds = ["folder", *additional_parent_types, *(["auto"] if additional_parent_types else [])]

    def wrap(command: Any) -> Any:
        option = click.option(
            "--parent-type",
            default=kinds[-1],
            show_default=True,
            help="type of Girder parent target",
            type=click.Choice(kinds),
            cls=click.Option if additional_parent_types else _HiddenOption,
        )
        local = click.argument(
            "local_folder",
            type=click.Path(
                exists=path_exists,
                dir_okay=True,
                writable=path_writable and not path_exists,
                readable=True,
            ),
            **(
                {"nargs": -1, "required": True}
                if multiple_local
                else {"default": path_default, "required": path_default is None}
            ),
        )
        return option(click.argument("parent_id")(local(command)))

    return wrap


def _resolved(gc: GirderClient, parent_id: str, parent_type: str) -> tuple[str, str]:
    """The id and the kind of what a user names."""
    if parent_id.startswith("/"):
        found = gc.resourceLookup(parent_id)
        kind = found["_modelType"] if parent_type == "auto" else parent_type
        return found["_id"], kind
    if parent_type == "auto":
        kind = _lookup_parent_type(gc, parent_id)
        if kind is None:
            message = (
                f"Could not determine Girder resource type for {parent_id}: there is no folder, "
                "collection, user, item or file of that id"
            )
            raise click.ClickException(message)
        parent_type = kind
    return parent_id, parent_type


def _command(name: str, short: str, text: str) -> Callable[[Any], Any]:
    return main.command(name, short_help=short, help=f"{short}\n\n{text}")


@_command(
    "download",
    "Download files from Girder",
    _common_help.replace("LOCAL_FOLDER is", 'LOCAL_FOLDER (default: ".") is'),
)
@_CommonParameters(additional_parent_types=["collection", "user", "item", "file"], path_default=".")
@click.option(
    "--skip",
    type=click.Choice(["path", "size", "hash"]),
    help="leave out files that are there: by their path, their size, or their content",
)
@click.pass_obj
def _download(
    gc: GirderCli, parent_type: str, parent_id: str, local_folder: str, skip: str | None
) -> None:
    parent_id, parent_type = _resolved(gc, parent_id, parent_type)
    if parent_type == "item":
        gc.downloadItem(parent_id, local_folder, skip=skip)
    elif parent_type == "file":
        gc.downloadFile(parent_id, local_folder, skip=skip)
    else:
        gc.downloadResource(parent_id, local_folder, parent_type, skip=skip)


@_command("localsync", "Synchronize local folder with remote Girder folder", _common_help)
@_CommonParameters(additional_parent_types=[], path_default=".")
@click.pass_obj
def _localsync(gc: GirderCli, parent_type: str, parent_id: str, local_folder: str) -> None:
    os.makedirs(local_folder, exist_ok=True)
    gc.loadLocalMetadata(local_folder)
    try:
        gc.downloadFolderRecursive(parent_id, local_folder, sync=True)
    except BaseException:
        # What came is not asked for again.
        gc.incomingMetadata = {**gc.localMetadata, **gc._local.done()}
        raise
    finally:
        gc.saveLocalMetadata(local_folder)


@_command(
    "upload",
    "Upload files to Girder",
    _common_help.replace(
        "the path to the local target folder", "one or more paths to local folders or files"
    ),
)
@_CommonParameters(path_exists=True, path_writable=False, multiple_local=True)
@click.option(
    "--leaf-folders-as-items",
    is_flag=True,
    help="upload all files in leaf folders to a single Item named after the folder",
)
@click.option(
    "--reuse",
    is_flag=True,
    help="use existing items of same name at same location or create a new one",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="will not write anything to Girder, only report what would happen",
)
@click.option("--blacklist", default="", help="comma-separated list of filenames to ignore")
@click.option("--reference", help="optional reference to send along with the upload")
@click.pass_obj
def _upload(
    gc: GirderCli,
    parent_type: str,
    parent_id: str,
    local_folder: tuple[str, ...],
    leaf_folders_as_items: bool,
    reuse: bool,
    dry_run: bool,
    blacklist: str,
    reference: str | None,
) -> None:
    parent_id, parent_type = _resolved(gc, parent_id, parent_type)
    names = [name for name in blacklist.split(",") if name]
    found = gc._upload(
        *(local_folder, parent_id, parent_type, leaf_folders_as_items, reuse),
        *(names, dry_run, reference),
    )
    if not found:
        click.get_current_context().exit(1)


_short_help = "List contents of a user, collection, folder, item, or file"


@main.command("list", short_help=_short_help)
@click.option(
    "--parent-type",
    default="auto",
    show_default=True,
    help="type of Girder parent target",
    type=click.Choice(["folder", "collection", "user", "item", "file", "auto"]),
)
@click.option("--limit", type=int, help="maximum number of records to list")
@click.option("--offset", type=int, help="starting offset into list")
@click.option("--json", "as_json", is_flag=True, help="output machine-readable JSON")
@click.argument("parent_id")
@click.pass_obj
def _list(
    gc: GirderCli,
    parent_type: str,
    limit: int | None,
    offset: int | None,
    as_json: bool,
    parent_id: str,
) -> None:
    """List contents of a user, collection, folder, item, or file.

    PARENT_ID is the id, or the path, of a Girder user, collection, folder, item, or file. What it
    is comes first, then what is in it: folders of users and collections, folders and items of
    folders, files of items. In JSON, what was asked for is `this_record`.

    Example: girder-client --api-url https://data.kitware.com/api/v1 list 647cfb97a71cc6eae69303b5
    """
    if parent_id.startswith("/"):
        found = gc.resourceLookup(parent_id)
        parent_id, parent_type = found["_id"], found["_modelType"]
    if parent_type == "auto":
        parent_type = _list_lookup_parent_type(gc, parent_id)
    record = _list_get_resource(gc, parent_type, parent_id)
    emitter = _JSONEmitter(sys.stdout) if as_json else None
    if emitter is not None:
        emitter.start_dict()
    _list_record_info(gc, record, emitter)
    children = {"folder": ["folder", "item"], "item": ["file"], "file": []}
    kinds = children.get(parent_type, ["folder"])
    _list_children_info(gc, parent_id, parent_type, kinds, limit, offset, emitter)
    if emitter is not None:
        emitter.end_dict()


def _list_http_error_summary(exc_info: HttpError) -> str:
    return f"{exc_info.status} {responses.get(exc_info.status, '')}".strip()


def _list_probe_user_resource(gc: GirderClient, user_id: str) -> str | None:
    """Say why this is no user that can be seen; None if it is one."""
    try:
        gc.getUser(user_id)
    except HttpError as error:
        first = _list_http_error_summary(error)
    else:
        return None
    try:
        next(gc.listFolder(user_id, "user", limit=1), None)
    except HttpError as error:
        second = _list_http_error_summary(error)
        return f"GET user failed with {first}; folder probe failed with {second}"
    return None


def _list_lookup_parent_type(gc: GirderClient, parent_id: str) -> str:
    """Find out what an id is that of.

    Raises:
        ClickException: If it is that of nothing that can be seen.
    """
    found = _lookup_parent_type(gc, parent_id)
    if found is not None:
        return found
    tried = ["resource path lookup: no match"]
    for kind in ("folder", "collection", "item", "file"):
        try:
            gc.getResource(kind, parent_id)
        except HttpError as error:
            tried.append(f"{kind}: {_list_http_error_summary(error)}")
        else:
            return kind
    why = _list_probe_user_resource(gc, parent_id)
    if why is None:
        return "user"
    tried.append(f"user: {why}")
    raise click.ClickException(
        f"Could not determine Girder resource type for {parent_id}. Tried: {'; '.join(tried)}"
    )


def _list_get_resource(gc: GirderClient, resource_type: str, resource_id: str) -> Record:
    try:
        record: Record = gc.getResource(resource_type, resource_id)
    except HttpError:
        if resource_type != "user":
            raise
        # Its folders may be seen all the same.
        return {"_id": resource_id, "_modelType": "user"}
    return record


def _list_record_label(record: Record) -> str:
    return str(record.get("name") or record.get("login") or record.get("_id"))


def _list_record_info(gc: GirderClient, this_record: Record, emitter: _JSONEmitter | None) -> None:
    """Tell what was asked for, and what it is in."""
    kind = this_record.get("_modelType")
    parents: list[tuple[str, str, Record]] = []
    if kind == "folder":
        parent = this_record["parentCollection"]
        found = gc.getResource(parent, this_record["parentId"])
        parents.append(("parent_record", f"Parent {parent}", found))
    elif kind == "item":
        found = gc.getFolder(this_record["folderId"])
        parents.append(("parent_record", "Parent folder", found))
    elif kind == "file":
        item = gc.getItem(this_record["itemId"])
        folder = gc.getFolder(item["folderId"])
        parents.append(("folder_record", "Parent folder", folder))
        parents.append(("item_record", "Parent item", item))
    if emitter is not None:
        for key, _, record in sorted(parents, key=lambda one: one[0], reverse=True):
            emitter.setitem(key, record)
        emitter.setitem("this_record", this_record)
        return
    for _, title, record in parents:
        print(f"{title}: {record['_id']} - {_list_record_label(record)}")
    print(f"Listing {kind}: {this_record['_id']} - {_list_record_label(this_record)}")


def _list_children_info(
    gc: GirderClient,
    parent_id: str,
    parent_type: str,
    child_types: Iterable[str],
    limit: int | None,
    offset: int | None,
    emitter: _JSONEmitter | None,
) -> None:
    """Tell what is in something, while it comes."""
    for kind in child_types:
        records = {
            "folder": lambda: gc.listFolder(parent_id, parent_type, limit=limit, offset=offset),
            "item": lambda: gc.listItem(parent_id, limit=limit, offset=offset),
            "file": lambda: gc.listFile(parent_id, limit=limit, offset=offset),
        }[kind]()
        first = next(records, None)
        if first is None:
            continue
        if emitter is not None:
            emitter.start_subcontainer(f"{kind}_children")
            emitter.start_list()
            emitter.append(first)
            for record in records:
                emitter.append(record)
            emitter.end_list()
            continue
        print(f"=== {kind} ===")
        print(f"{'ID':<24} {'TYPE':<6} {'NAME':<24}")
        for record in [first, *records]:
            print(f"{record['_id']:<24} {record['_modelType']:<6} {record['name']}")


if __name__ == "__main__":
    click.echo('Deprecation notice: Use "girder-client" to run the CLI.', err=True)
    main()
