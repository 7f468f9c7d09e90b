"""``girder:`` addresses: what their own client looks up, by path or by id."""

from __future__ import annotations

import os
import re
from pathlib import Path

from selenite import _core
from selenite._display import count_text
from selenite.cli._errors import NOT_FOUND, USAGE, CommandError
from selenite.cli._output import Output, item, sized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from girder_client import GirderClient

    from selenite.cli._common import Options

_ID = re.compile("[0-9a-f]{24}")
_KINDS = ("folder", "item", "collection", "file", "user")


def _client(options: Options) -> GirderClient:
    """Make a client that is logged in if there is a key."""
    from girder_client import GirderClient

    url = options.given.get("url") or os.environ.get("GIRDER_API_URL", "").strip()
    if not url:
        hint = "set --url or GIRDER_API_URL, and GIRDER_API_KEY to log in"
        raise CommandError(USAGE, "nobody has said where Girder is", hint)
    url = url.rstrip("/")
    client = GirderClient(apiUrl=url if url.endswith("/api/v1") else f"{url}/api/v1")
    if options.given.get("insecure"):
        client.sslVerify = False  # type: ignore[attr-defined] # as it is set by its users
    key = os.environ.get("GIRDER_API_KEY", "").strip()
    if key:
        client.authenticate(apiKey=key)
    return client


def _found(client: GirderClient, options: Options, address: str) -> dict[str, Any]:
    """Look a record up; its kind is in ``_modelType``."""
    from girder_client import HttpError

    options.address = address
    path = _core.parse_address(address)["path"]
    if path is None:
        return {"_modelType": "root", "_id": None, "name": ""}
    if _ID.fullmatch(path):
        for kind in _KINDS:
            try:
                record: dict[str, Any] = client.getResource(kind, path)
            except HttpError as error:
                # 400 is what it says of an id of another kind.
                if error.status not in (400, 404):
                    raise
                continue
            return {"_modelType": kind, **record}
        raise CommandError(
            NOT_FOUND, f"no record `{path}` in Girder at {client.urlBase}", status=404
        )
    try:
        record = client.resourceLookup(f"/{path}")
    except HttpError as error:
        if error.status != 400:
            raise
        message = f"nothing at `{path}` in Girder at {client.urlBase}"
        hint = "paths begin with `collection/NAME` or `user/LOGIN`"
        raise CommandError(NOT_FOUND, message, hint, url=error.url, status=error.status) from error
    return record


def _children(client: GirderClient, record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    kind = record["_modelType"]
    if kind == "root":
        yield from (("collection", one) for one in client.listCollection())
    elif kind in ("collection", "user", "folder"):
        folders = client.listFolder(record["_id"], parentFolderType=kind)
        yield from (("folder", one) for one in folders)
        if kind == "folder":
            yield from (("item", one) for one in client.listItem(record["_id"]))
    elif kind == "item":
        yield from (("file", one) for one in client.listFile(record["_id"]))
    else:
        yield kind, record


def ls(options: Options, address: str, *, long: bool, null: bool) -> None:
    """List what is in a collection, a folder or an item."""
    client = _client(options)
    record = _found(client, options, address)
    output = Output(options, address, null=null)

    def line(one: dict[str, Any]) -> str:
        is_folder = one["type"] in ("collection", "folder")
        name = output.styled(output.shown(one["name"]), "directory" if is_folder else None)
        name += "/" if is_folder else ""
        return f"{sized(one['size']):>8}  {one['id']}  {name}" if long else name

    items = (
        item(one["name"], kind, size=one.get("size"), uploaded=one.get("created"), id=one["_id"])
        for kind, one in _children(client, record)
    )
    output.items(items, line, lambda one: str(one["name"]))


def info(options: Options, address: str) -> None:
    """Say what is known of a record."""
    client = _client(options)
    record = _found(client, options, address)
    if record["_id"] is None:
        facts: dict[str, Any] = {"type": "registry", "name": None, "url": client.urlBase}
    else:
        facts = {
            "type": record["_modelType"],
            "id": record["_id"],
            "name": record.get("name") or record.get("login"),
            "size": record.get("size"),
            "created": record.get("created"),
            "updated": record.get("updated"),
            "description": record.get("description") or None,
            "meta": record.get("meta"),
        }
    lines = [f"{key:<11}  {value}" for key, value in facts.items() if value not in (None, {})]
    Output(options).facts(
        {"address": address, **facts}, [f"address      {address}", *lines], address
    )


def get(options: Options, sources: list[str], destination: str | None, *, dry_run: bool) -> None:
    """Download records; there is no cache, so a destination is needed."""
    client = _client(options)
    if destination is None or destination == "-":
        raise CommandError(USAGE, "Girder has no cache here", "name a directory behind the address")
    root = Path(destination)

    def fetched() -> Iterator[dict[str, Any]]:
        for source in sources:
            record = _found(client, options, source)
            kind = record["_modelType"]
            if record["_id"] is None or kind == "user":
                raise CommandError(USAGE, f"`{source}` is more than can be fetched at once")
            place = root
            if kind not in ("folder", "collection"):
                # What the server says may be no name, and lead elsewhere.
                place = root / client.transformFilename(str(record.get("name")))
            if not dry_run:
                root.mkdir(parents=True, exist_ok=True)
                if kind == "file":
                    client.downloadFile(record["_id"], str(place))
                elif kind == "item":
                    client.downloadItem(record["_id"], str(root))
                else:
                    client.downloadResource(record["_id"], str(root), kind)
            yield {"path": str(place), "address": source, "bytes": record.get("size")}

    output = Output(options)
    output.items(fetched(), lambda one: output.shown(one["path"]), lambda one: str(one["path"]))
    if dry_run:
        output.note(f"would fetch {count_text(len(sources), 'record')} to {destination}")


def put(options: Options, source: str, address: str, *, dry_run: bool) -> None:
    """Upload a file, or a directory, into a folder or collection."""
    client = _client(options)
    if source == "-":
        raise CommandError(USAGE, "Girder takes files and directories, not standard input")
    if not Path(source).exists():
        raise CommandError(NOT_FOUND, f"`{source}` does not exist")
    record = _found(client, options, address)
    kind = record["_modelType"]
    if kind not in ("folder", "collection", "user"):
        raise CommandError(USAGE, f"`{address}` is no folder, collection or user")
    output = Output(options, address)
    if dry_run:
        is_directory = Path(source).is_dir()
        files = (
            _core.walk(source, sizes=True)
            if is_directory
            else [(Path(source).name, Path(source).stat().st_size)]
        )
        items = [{"path": path, "size": size} for path, size in files if not path.endswith("/")]
        output.items(
            items,
            lambda one: f"+ {sized(one['size']):>8}  {output.shown(one['path'])}",
            lambda one: str(one["path"]),
        )
        output.note(f"would upload {count_text(len(items), 'file')} into {address}")
        return
    client.upload(source, record["_id"], parentType=kind)
    output.facts({"address": address, "id": record["_id"]}, [address], address)
