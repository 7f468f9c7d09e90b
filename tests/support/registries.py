"""A Gobbler and a gypsum service with the same versions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygobbler as pyg
from selenite.testing import GobblerServer, GypsumServer

TOKEN = "admin-token"
CSV = "gene,count\n" + "".join(f"g{number},{number}\n" for number in range(100))
ODD = "odd %41#?é & +.txt"
FIRST = {"a.txt": "first words\n", "b/c.txt": "five\n", "t/x.csv": CSV, ODD: "odd"}
SECOND = {"a.txt": "other words\n", "b/c.txt": "five\n", "t/x.csv": CSV, "t/new.txt": "new"}
THIRD = {"a.txt": "not yet\n"}
VERSIONS = {"v1": FIRST, "v2": SECOND, "v3": THIRD}


@dataclass(frozen=True)
class Registries:
    """Where both services can be reached."""

    gobbler: GobblerServer
    gypsum: GypsumServer

    def where(self, way: str, cache: Path) -> dict[str, Any]:
        """The arguments that say where a registry is, and how it is to be read."""
        service, _, how = way.partition("-")
        server = self.gobbler if service == "gobbler" else self.gypsum
        if how == "here":
            return {"registry": server.registry}
        return {"endpoint": server.url, "cache": str(cache)}


def make_files(folder: Path, files: dict[str, Any]) -> Path:
    """A directory with these files."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def add(registries: Registries, folder: Path, asset: str, version: str, files: Any) -> None:
    """Upload a version of an asset of `demo` to both."""
    source = make_files(folder / asset / version, files)
    names = ("demo", asset, version)
    probation = version == "v3"
    server = registries.gobbler
    pyg.upload_directory(
        *names,
        source,
        staging=server.staging,
        url=server.url,
        probation=probation,
        ignore_dot=False,
    )
    content = {
        path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()
    }
    registries.gypsum.upload(*names, content, on_probation=probation)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Registries]:
    """Both services, filled."""
    s3 = {"endpoint": "https://s3.example", "bucket": "bucket", "key": "key", "secret": "secret"}
    with (
        GobblerServer() as gobbler,
        GypsumServer(tokens={TOKEN: "root"}, admins=["root"], s3_credentials=s3) as gypsum,
    ):
        found = Registries(gobbler, gypsum)
        pyg.create_project("demo", staging=gobbler.staging, url=gobbler.url)
        gypsum.request("POST", "/create/demo", TOKEN, {"permissions": {"owners": []}})
        for version, files in VERSIONS.items():
            add(found, folder, "rna", version, files)
        yield found


def cat_in_child(arguments: tuple[str, dict[str, Any], str]) -> bytes:
    """Read a file in a process of a pool."""
    import fsspec

    service, where, path = arguments
    content: bytes = fsspec.filesystem(service, **where).cat_file(path)
    return content
