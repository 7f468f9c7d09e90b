"""A scripted Girder that has a folder."""

from __future__ import annotations

import io
import json
import urllib.parse
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.fake import Reply, as_json


class Tree:
    """A server of a folder: its items by name, each with its files by name."""

    def __init__(self, items: list[tuple[str, list[tuple[str, bytes]]]]) -> None:
        self.items: list[dict[str, Any]] = [
            {
                "_id": f"i{at}",
                "name": name,
                "updated": "2030",
                "size": sum(len(c) for _, c in files),
            }
            for at, (name, files) in enumerate(items)
        ]
        self.files: dict[str, list[dict[str, Any]]] = {
            f"i{at}": [
                {"_id": f"i{at}f{number}", "name": name, "size": len(content), "created": "2030"}
                for number, (name, content) in enumerate(files)
            ]
            for at, (_, files) in enumerate(items)
        }
        self.contents = {
            f"i{at}f{number}": content
            for at, (_, files) in enumerate(items)
            for number, (_, content) in enumerate(files)
        }

    def __call__(self, method: str, path: str) -> Reply:
        place = path.partition("?")[0]
        if place == "/folder":
            return as_json([])
        if place == "/item":
            return as_json(self.items)
        kind, id_, *part = place.strip("/").split("/")
        if kind == "item" and part == ["files"]:
            return as_json(self.files[id_])
        if kind == "item" and part == ["download"]:
            files = self.files[id_]
            if len(files) != 1:
                return Reply(b"PK", kind="application/zip", headers={"Transfer-Encoding": "no"})
            name = json.dumps(files[0]["name"])
            said = {"Content-Disposition": f"attachment; filename={name}"}
            return Reply(self.contents[files[0]["_id"]], headers=said)
        if kind == "item":
            return as_json(next(item for item in self.items if item["_id"] == id_))
        if part == ["download"]:
            return Reply(self.contents[id_])
        return as_json(
            next(one for files in self.files.values() for one in files if one["_id"] == id_)
        )


class Packing(Tree):
    """The same that gives archives, of what `change` makes of their files."""

    def __init__(
        self, items: list[tuple[str, list[tuple[str, bytes]]]], change: Callable[..., Any] = list
    ) -> None:
        super().__init__(items)
        self.change = change

    def __call__(self, method: str, path: str) -> Reply:
        place, _, query = path.partition("?")
        if place != "/resource/download":
            return super().__call__(method, path)
        names = {item["_id"]: item["name"] for item in self.items}
        packed: list[tuple[str, bytes]] = []
        for item in json.loads(urllib.parse.parse_qs(query)["resources"][0])["item"]:
            files = self.files[item]
            for file in files:
                is_alone = len(files) == 1 and file["name"] == names[item]
                name = names[item] if is_alone else f"{names[item]}/{file['name']}"
                packed.append((name, self.contents[file["_id"]]))
        packed = self.change(packed)
        return (
            packed if isinstance(packed, Reply) else Reply(archive(packed), kind="application/zip")
        )


class _Stream(io.BytesIO):
    """What cannot be gone back in: sizes are told behind contents then, as Girder does."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError


def archive(files: list[tuple[str, bytes]]) -> bytes:
    stream = _Stream()
    with zipfile.ZipFile(stream, "w") as target:
        for name, content in files:
            info = zipfile.ZipInfo("x" * len(name.encode()))
            info.filename = info.orig_filename = name
            target.writestr(info, content)
    return stream.getvalue()


def single(files: dict[str, bytes]) -> list[tuple[str, list[tuple[str, bytes]]]]:
    return [(name, [(name, content)]) for name, content in files.items()]


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
