#!/usr/bin/env python3
"""Start a real Girder on loopback, with its data in memory: girder_server.py [--asgi] ...

It runs in the virtual environment of `scripts/girder`. The code of the server is the one that is
installed; what stands in for MongoDB and Redis is in memory. When it answers, a line of JSON on
standard output says where. SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import types
from collections import defaultdict
from collections.abc import Callable
from typing import Any

WRITING = (
    "insert_one insert_many update_one update_many replace_one delete_one delete_many "
    "find_one_and_update find_one_and_replace find_one_and_delete bulk_write create_index drop"
)
# What is asked for by equality: mongomock looks at every document for every query.
FIELDS = ["_id", "itemId", "folderId", "parentId", "baseParentId", "login", "email", "userId"]
FIELDS += ["lowerName", "name", "key", "assetstoreId", "uploadId", "attachedToId", "sha512"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="where contents are kept")
    parser.add_argument("--asgi", action="store_true", help="serve as `girder serve` does")
    parser.add_argument("--least-chunk", type=int, help="bytes that a chunk has at least")
    parser.add_argument("--plugin", action="append", default=[])
    return parser.parse_args()


def keep_data_in_memory() -> None:
    import mongomock
    import mongomock.command_cursor
    import pymongo
    import pymongo.command_cursor
    import pymongo.cursor

    kind = mongomock.collection.Collection
    cursor = mongomock.collection.Cursor

    # Dates with a time zone: mongomock knows that they are wanted, not which.
    plain_options = kind.with_options

    def with_options(self, codec_options=None, **kwargs):
        if codec_options is not None and codec_options.tzinfo is not None:
            codec_options = codec_options.with_options(tzinfo=None)
        return plain_options(self, codec_options=codec_options, **kwargs)

    # How a result is written depends on the class of its cursor.
    cursor.count = lambda self, with_limit_and_skip=False: len(self._compute_results())
    pymongo.cursor.Cursor = cursor
    pymongo.command_cursor.CommandCursor = mongomock.command_cursor.CommandCursor

    # A search for words: any of them in the name or the description.
    plain_find = kind.find

    def find(self, filter=None, *args, **kwargs):
        if isinstance(filter, dict) and "$text" in filter:
            filter = dict(filter)
            words = str(filter.pop("$text").get("$search", "")).replace('"', " ").split()
            pattern = re.compile("|".join(map(re.escape, words)) or r"(?!)", re.IGNORECASE)
            hit = {"$or": [{"name": pattern}, {"description": pattern}]}
            filter = {"$and": [filter, hit]} if filter else hit
        return plain_find(self, filter, *args, **kwargs)

    kind.with_options, kind.find = with_options, find

    # Threads that write take turns.
    lock = threading.RLock()

    def guarded(plain):
        def method(self, *args, **kwargs):
            with lock:
                return plain(self, *args, **kwargs)

        return method

    for name in WRITING.split():
        if hasattr(kind, name):
            setattr(kind, name, guarded(getattr(kind, name)))

    class Client(mongomock.MongoClient):  # type: ignore[misc]
        def __init__(self, *args, **kwargs):
            super().__init__(*args[:1])  # the rest tunes a driver

    pymongo.MongoClient = Client
    index_documents()


def index_documents() -> None:
    """Let queries by equality look only at the documents that have the value."""
    from bson import ObjectId
    from mongomock import collection, store

    scalar = (ObjectId, str, int)
    kept = store.CollectionStore

    class Index:
        def __init__(self):
            self.values = {}  # of each document, its values of the fields
            self.places = {field: defaultdict(dict) for field in FIELDS}
            self.odd = {field: {} for field in FIELDS}  # lists and the like
            self.order = {}

        def forget(self, key):
            for field, value in zip(FIELDS, self.values.pop(key, ()), strict=False):
                self.odd[field].pop(key, None)
                if isinstance(value, scalar):
                    self.places[field][value].pop(key, None)

        def note(self, key, document):
            self.forget(key)
            self.order.setdefault(key, len(self.order))
            self.values[key] = [document.get(field) for field in FIELDS]
            for field, value in zip(FIELDS, self.values[key], strict=True):
                if isinstance(value, scalar):
                    self.places[field][value][key] = True
                elif value is not None:
                    self.odd[field][key] = True

    def index(self):
        return self.__dict__.setdefault("_index", Index())

    def set_item(self, key, value):
        with self._rwlock.writer():
            self._documents[key] = value
            index(self).note(key, value)

    def delete_item(self, key):
        with self._rwlock.writer():
            del self._documents[key]
            index(self).forget(key)

    plain_drop = kept.drop

    def drop(self):
        self.__dict__.pop("_index", None)
        plain_drop(self)

    kept.__setitem__, kept.__delitem__, kept.drop = set_item, delete_item, drop

    def wanted(filter):
        for field, value in filter.items():
            if field == "$and":
                for part in value:
                    yield from wanted(part)
            elif field in FIELDS and isinstance(value, scalar) and not isinstance(value, bool):
                yield field, [value]
            elif field in FIELDS and is_listed(value):
                yield field, list(value["$in"])

    def is_listed(value):
        is_list = isinstance(value, dict) and set(value) == {"$in"}
        return is_list and all(isinstance(one, scalar) for one in value["$in"])

    plain = collection.Collection._iter_documents

    def documents(self, filter):
        held = self._store
        if not isinstance(filter, dict) or held.is_empty:
            return plain(self, filter)
        held._remove_expired_documents()
        with held._rwlock.reader():
            found = index(held)
            candidates = [
                {key for value in values for key in found.places[field].get(value, ())}
                | set(found.odd[field])
                for field, values in wanted(filter)
            ]
            if not candidates:
                return plain(self, filter)
            keys = sorted(min(candidates, key=len), key=found.order.get)
            chosen = [held._documents[key] for key in keys if key in held._documents]
        return (one for one in chosen if collection.filter_applies(filter, one))

    collection.Collection._iter_documents = documents

    def noting(plain_apply):
        def apply(self, existing_document, *args, **kwargs):
            result = plain_apply(self, existing_document, *args, **kwargs)
            key = existing_document.get("_id")
            with self._store._rwlock.writer():
                if isinstance(key, scalar) and self._store._documents.get(key) is existing_document:
                    index(self._store).note(key, existing_document)
            return result

        return apply

    for name in ("_apply_update_document", "_apply_update_pipeline"):
        if hasattr(collection.Collection, name):
            setattr(collection.Collection, name, noting(getattr(collection.Collection, name)))


def make_app(arguments: argparse.Namespace) -> object:
    from girder import notification, plugin
    from girder.utility.server import create_app
    from girder_worker.app import app as worker

    notification._redis_client_sync = lambda: types.SimpleNamespace(publish=lambda *_, **__: 0)
    # What others do for the server, it does itself.
    worker.conf.task_always_eager = True
    worker.conf.task_eager_propagates = True

    info = create_app(mode="production")
    plugin._loadPlugins(info, arguments.plugin)

    from girder.models.assetstore import Assetstore
    from girder.models.setting import Setting
    from girder.models.user import User
    from girder.settings import SettingKey

    User().createUser(
        login="admin",
        password="password123",
        firstName="Ad",
        lastName="Min",
        email="admin@example.org",
        admin=True,
    )
    Assetstore().createFilesystemAssetstore(name="local", root=arguments.root)
    if arguments.least_chunk is not None:
        Setting().set(SettingKey.UPLOAD_MINIMUM_CHUNK_SIZE, arguments.least_chunk)
    return info["serverRoot"]


def main() -> None:
    arguments = parse_arguments()
    os.environ["GIRDER_MONGO_URI"] = "mongodb://localhost:27017/girder"
    os.environ["GIRDER_SERVER_MODE"] = "production"
    os.environ["GIRDER_FILESYSTEMASSETSTORE_RESERVED_MBYTES"] = "1"
    os.environ.setdefault("TMPDIR", tempfile.gettempdir())
    logging.basicConfig(stream=sys.stderr, level="ERROR")
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not record.name.startswith("cherrypy.access"))
    keep_data_in_memory()
    app = make_app(arguments)
    chosen = socket.socket()
    # Until this process ends, nobody else is given the port.
    chosen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    chosen.bind(("127.0.0.1", 0))
    port = chosen.getsockname()[1]

    def ready():
        print(
            json.dumps({"url": f"http://127.0.0.1:{port}/api/v1", "pid": os.getpid()}), flush=True
        )

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(KeyboardInterrupt):
        (serve_asgi if arguments.asgi else serve)(app, port, ready)


def serve(app: Any, port: int, ready: Callable[[], None]) -> None:
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", port), app, numthreads=16, server_name="girder")
    server.prepare()
    ready()
    try:
        server.serve()
    finally:
        server.stop()


def serve_asgi(app: Any, port: int, ready: Callable[[], None]) -> None:
    import uvicorn

    # The bridge imports the application from there.
    module = types.ModuleType("girder.wsgi")
    vars(module)["app"] = app
    sys.modules["girder.wsgi"] = module
    from girder.asgi import app as bridge

    class Server(uvicorn.Server):  # type: ignore[misc]
        async def startup(self, sockets=None):
            await super().startup(sockets)
            ready()

    settings = {"port": port, "log_level": "warning", "lifespan": "off"}
    Server(uvicorn.Config(bridge, host="127.0.0.1", **settings)).run()


if __name__ == "__main__":
    main()
