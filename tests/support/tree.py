"""Directories described as data: made, read back, and the manifests that they must have."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Manifest = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Link:
    """A symbolic link with this text."""

    target: str


class Empty:
    """An empty directory."""

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY = Empty()
Node = bytes | str | Link | Empty
Tree = Mapping[str, Node]

SAMPLE: Tree = {"a.txt": "alpha", "deep/b.txt": "beta", "deep/er/c.txt": "gamma"}


def make(root: Path, tree: Tree) -> Path:
    """Make a directory with this content; texts are written as UTF-8."""
    root.mkdir(parents=True, exist_ok=True)
    for name, node in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match node:
            case Link(target):
                path.symlink_to(target)
            case Empty():
                path.mkdir()
            case str():
                path.write_text(node)
            case bytes():
                path.write_bytes(node)
    return root


def read(root: Path, *, internal: bool = False, follow: bool = False) -> dict[str, Node]:
    """Read a directory back: the same shape that `make` takes, with all contents as bytes.

    Args:
        root: The directory.
        internal: Also names that begin with `..`.
        follow: Symbolic links as the files they lead to.
    """
    found: dict[str, Node] = {}

    def visit(directory: Path, prefix: str) -> None:
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            if entry.name.startswith("..") and not internal:
                continue
            name = prefix + entry.name
            if entry.is_symlink() and not follow:
                found[name] = Link(os.readlink(entry.path))
            elif entry.is_dir():
                before = len(found)
                visit(Path(entry.path), name + "/")
                if len(found) == before:
                    found[name] = EMPTY
            else:
                found[name] = Path(entry.path).read_bytes()

    visit(root, "")
    return found


def everything(root: Path) -> dict[str, tuple[str, int, bytes]]:
    """Kind, mode and content of everything below a directory, for comparing two moments."""
    found = {}
    for top, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = Path(top, name)
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                kind, content = "link", os.fsencode(os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                kind, content = "file", path.read_bytes()
            else:
                kind, content = "directory", b""
            found[str(path.relative_to(root))] = (kind, stat.S_IMODE(status.st_mode), content)
    return found


def registry_state(registry: str | Path) -> dict[str, tuple[str, int, bytes]]:
    """Everything in a registry but its lock files, which may appear at any time, and its logs."""
    return {
        name: node
        for name, node in everything(Path(registry)).items()
        if not name.rsplit("/", 1)[-1].startswith("..LOCK") and not name.startswith("..logs")
    }


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def entry(content: bytes) -> dict[str, Any]:
    """The manifest entry of a plain file."""
    return {"size": len(content), "md5sum": md5(content)}


def link(project: str, asset: str, version: str, path: str) -> dict[str, Any]:
    """The link object of a manifest entry, without an ancestor."""
    return {"project": project, "asset": asset, "version": version, "path": path}


def expected_manifest(
    tree: Tree, project: str, asset: str, version: str, latest: Manifest | None = None
) -> Manifest:
    """The manifest of an upload, by the documented rules and hashlib alone.

    Args:
        tree: What is uploaded; its links are relative and lead to files or links of the tree.
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the new version.
        latest: Manifest of the latest version, with its name under the key `""`.
    """
    manifest: Manifest = {}
    known: dict[tuple[int, str], list[str]] = {}
    latest_version = ""
    if latest is not None:
        latest_version = latest[""]["version"]
        for path in sorted((name for name in latest if name), key=str.encode):
            known.setdefault((latest[path]["size"], latest[path]["md5sum"]), []).append(path)

    def resolve(path: str) -> list[str]:
        """The chain of paths that a link leads along, itself excluded."""
        node, chain = tree[path], []
        while isinstance(node, Link):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), node.target))
            chain.append(path)
            node = tree[path]
        return chain

    for path, node in tree.items():
        if isinstance(node, Empty):
            manifest[path] = {"size": 0, "md5sum": ""}
        elif not isinstance(node, Link):
            content = node.encode() if isinstance(node, str) else node
            manifest[path] = entry(content)
            candidates = known.get((len(content), manifest[path]["md5sum"]), [])
            if candidates and latest is not None:
                choice = path if path in candidates else candidates[0]
                manifest[path]["link"] = link(project, asset, latest_version, choice)
                older = latest[choice].get("link")
                if older is not None:
                    ancestor = older.get("ancestor", older)
                    manifest[path]["link"]["ancestor"] = dict(ancestor)
    for path, node in tree.items():
        if isinstance(node, Link):
            chain = resolve(path)
            end = manifest[chain[-1]]
            manifest[path] = {"size": end["size"], "md5sum": end["md5sum"]}
            manifest[path]["link"] = link(project, asset, version, chain[0])
            origin = end.get("link")
            if origin is not None:
                manifest[path]["link"]["ancestor"] = dict(origin.get("ancestor", origin))
            elif len(chain) > 1:
                manifest[path]["link"]["ancestor"] = link(project, asset, version, chain[-1])
    return manifest


def total(manifest: Manifest) -> int:
    """What a version counts for in its project's usage."""
    return sum(entry["size"] for entry in manifest.values() if "link" not in entry)
