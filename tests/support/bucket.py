"""A gypsum service with something in it, and what clients need to know of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from selenite.testing import GypsumServer

from support.fake import Reply
from support.fake import serving as serving_files
from support.tree import Tree, make

ADMIN = "admin-token"
OWNER = "owner-token"
UPLOADER = "uploader-token"
OUTSIDER = "outsider-token"
TOKENS = {ADMIN: "root-admin", OWNER: "alice", UPLOADER: "bob", OUTSIDER: "dave"}
S3 = {"endpoint": "https://s3.example", "bucket": "gypsum-local", "key": "k", "secret": "s"}

BLAH = "".join(f"{letter}\n" for letter in string.ascii_uppercase)
BAR = "1 2 3 4 5\n6 7 8 9 10\n"
BASIC: Tree = {"blah.txt": BLAH, "foo/bar.txt": BAR}


@dataclass(frozen=True)
class Gypsum:
    """A running service."""

    url: str
    github_url: str
    registry: Path
    token: str = ADMIN

    @property
    def writer(self) -> dict[str, Any]:
        """The arguments of the functions that change something."""
        return {"url": self.url, "token": self.token}

    def path(self, *parts: str) -> Path:
        """A path in the registry."""
        return self.registry.joinpath(*parts)

    def read(self, *parts: str) -> Any:
        """The content of one of the registry's JSON files."""
        return json.loads(self.path(*parts).read_text())

    def is_locked(self, project: str) -> bool:
        """Whether an upload into the project is going on."""
        lock = self.path(project, "..LOCK")
        return lock.exists() and b"session_hash" in lock.read_bytes()


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[Gypsum]:
    """A fresh service with nothing in it."""
    options = {"s3_credentials": S3, "github_app": {"id": "app-id", "secret": "app-secret"}}
    with GypsumServer(tokens=TOKENS, admins=["root-admin"], **{**options, **settings}) as server:
        yield Gypsum(server.url, server.github_url, Path(server.registry))


def fill(service: Gypsum, folder: Path) -> None:
    """Make the projects `test-R` and `test-Py`, and three versions of `test-R/basic`."""
    for project in ("test-R", "test-Py"):
        gyp.create_project(project, owners=["alice"], **service.writer)
    source = make(folder, BASIC)
    for version in ("v1", "v2", "v3"):
        upload(service, source, "test-R", "basic", version)


def upload(service: Gypsum, source: Path, *names: str, **settings: Any) -> None:
    """Upload a directory, with an empty cache."""
    project, asset, version = names
    cache = source.parent / "no-cache"
    gyp.upload_directory(
        source, project, asset, version, cache_dir=cache, **{**service.writer, **settings}
    )


def entry(content: bytes) -> dict[str, Any]:
    """What a manifest says of a plain file."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"size": len(content), "md5sum": digest}


def use_metadata(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let databases and schemas of metadata come from there."""
    monkeypatch.setenv("GYPSUM_METADATA_DB_URL", url)
    monkeypatch.setenv("GYPSUM_METADATA_SCHEMA_URL", url)


@contextlib.contextmanager
def examples(work: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the examples in docstrings take for granted: a service, a database, and names."""
    database = work / "metadata.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executescript(
            "CREATE TABLE versions(vid, project, asset, version, latest);"
            "CREATE TABLE paths(pid, vid, path, metadata);"
            "CREATE TABLE tokens(tid, token); CREATE TABLE fields(fid, field);"
            "CREATE TABLE links(pid, fid, tid);"
            "INSERT INTO versions VALUES (1, 'p', 'a', 'v', 1);"
            "INSERT INTO paths VALUES (1, 1, 'brain.h5', '{}');"
            "INSERT INTO tokens VALUES (1, 'brain'); INSERT INTO links VALUES (1, 1, 1);"
        )
    files = {
        "/modified": b"1700000000000",
        "/bioconductor.sqlite3": database.read_bytes(),
        "/bioconductor/v1.json": b'{"type": "object"}',
    }
    with serving() as service, serving_files(lambda _, path: Reply(files[path])) as site:
        fill(service, work / "basic")
        trial = make(work / "trial", {"f": "text"})
        upload(service, trial, "test-Py", "trial", "v1", probation=True)
        use_metadata(site.url, monkeypatch)
        yield {
            "url": service.url,
            "github": service.github_url,
            "token": service.token,
            "cache": str(work / "cache"),
            "metadata": site.url,
        }
    gyp.set_access_token(None, cache_dir=None)
