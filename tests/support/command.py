"""The command run in this process, and services with something in them for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import jsonschema
import pygobbler as pyg
from selenite.testing import GobblerServer, GypsumServer

from support.tree import Tree, make

TOKENS = {"token-of-alice": "alice", "token-of-bob": "bob"}
COUNTS = "gene,count\n" + "".join(f"g{number},{number}\n" for number in range(300))
V1: Tree = {"notes.txt": "ten bytes\n", "tables/counts.csv": COUNTS}
V2: Tree = {**V1, "notes.txt": "11 bytes..\n", "new.txt": "new bytes\n"}


@dataclass(frozen=True)
class Done:
    """How a command has ended, and what it has printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]

# A key that goes, or means something else, makes another number of `schema`.
SCHEMAS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "command.json").read_text()
)


def check(name: str, found: Any) -> None:
    """Compare what a command has printed with its schema."""
    jsonschema.validate(found, SCHEMAS[name])
    if "schema" in found:
        assert name.removeprefix("girder ").startswith(found["command"])


@dataclass(frozen=True)
class Services:
    """Two services with the versions v1, and v2 on probation, of `demo/rna`.

    In `written` there is nothing, for tests that write.
    """

    gobbler: GobblerServer
    gypsum: GypsumServer
    environment: dict[str, str]


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def fill(gobbler: GobblerServer, gypsum: GypsumServer, folder: Path) -> None:
    """Make the projects and versions."""
    writer: dict[str, Any] = {"staging": gobbler.staging, "url": gobbler.url}
    for project in ("demo", "written"):
        pyg.create_project(project, **writer)
        gyp.create_project(project, owners=["alice"], url=gypsum.url, token="token-of-alice")
    for name, tree in (("v1", V1), ("v2", V2)):
        source, on_probation = make(folder / name, tree), name == "v2"
        pyg.upload_directory("demo", "rna", name, str(source), probation=on_probation, **writer)
        gyp.upload_directory(
            *(source, "demo", "rna", name),
            cache_dir=folder / "none",
            url=gypsum.url,
            token="token-of-alice",
            probation=on_probation,
        )
