"""All that a user does with a server, in order, on each kind of server and store."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import girder_client
import pytest
from support.girder import Girder

MIB = 1 << 20
NAMES = {
    "a.txt": b"hello",
    "empty": b"",
    "x[1]": b"brackets",
    'odd "q" é ü ; %41+.bin': b"odd",
    "日本語.txt": b"letters",
    "sub/b": b"b" * 100,
    "sub/deep/c c": b"c" * 100_000,
}


def contents(root: Path) -> dict[str, str | None]:
    """Digests of all files, None for directories."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        )
        for path in root.rglob("*")
    }


def make_tree(root: Path, big: int) -> Path:
    for name, content in NAMES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "empty folder").mkdir()
    block = os.urandom(MIB)
    with (root / "sub" / "large.bin").open("wb") as file:
        for number in range(big):
            file.write(number.to_bytes(4, "little") + block[4:])
    return root


def test_the_whole_life(server: Girder, tmp_path: Path) -> None:
    gc = girder_client.GirderClient(apiUrl=server.url)
    user = gc.authenticate("admin", "password123")
    assert gc.token
    assert gc.getServerVersion() == ["5", "0", "21"]
    mark = server.url.rpartition(":")[2].partition("/")[0]
    other = gc.createUser(f"other{mark}", f"o{mark}@example.org", "A", "B", "password12")
    assert gc.getUser(other["_id"])["login"] == f"other{mark}"

    collection = gc.createCollection(f"c {mark}", "what it is", public=True)
    folder = gc.createFolder(collection["_id"], "data", parentType="collection")
    assert [one["_id"] for one in gc.listFolder(collection["_id"], "collection")] == [folder["_id"]]

    tree = make_tree(tmp_path / "tree", big=66)
    gc.upload(str(tree), folder["_id"])
    assert server.uploads() == []
    copy = tmp_path / "copy"
    gc.downloadFolderRecursive(folder["_id"], copy)
    assert contents(copy / "tree") == contents(tree)
    assert [name for name in os.listdir(copy) if name != "tree"] == []

    # What is equal is not sent again, what has changed is.
    top = gc.resourceLookup(f"/collection/c {mark}/data/tree")
    items = {item["name"]: item for item in gc.listItem(top["_id"])}
    files = {name: next(gc.listFile(item["_id"])) for name, item in items.items()}
    assert sum(len(list(gc.listFile(item["_id"]))) for item in items.values()) == len(items)
    (tree / "a.txt").write_bytes(b"hello, world")
    (tree / "new").write_bytes(b"new")
    (tree / "sub" / "large.bin").unlink()
    large = gc.resourceLookup(f"/collection/c {mark}/data/tree/sub/large.bin")
    gc.delete(f"item/{large['_id']}")
    gc.upload(str(tree), folder["_id"], reuseExisting=True)
    now = {item["name"]: next(gc.listFile(item["_id"])) for item in gc.listItem(top["_id"])}
    assert set(now) == {*files, "new"}
    for name, file in files.items():
        assert now[name]["_id"] == file["_id"]
        assert (now[name]["created"] == file["created"]) == (name != "a.txt"), name
    again = tmp_path / "again"
    gc.downloadResource(collection["_id"], again, "collection")
    assert contents(again / "data" / "tree") == contents(tree)

    item = gc.addMetadataToItem(now["new"]["itemId"], {"a": 1, "b": {"c": [2]}})
    assert item["meta"] == {"a": 1, "b": {"c": [2]}}
    assert gc.addMetadataToItem(item["_id"], {"a": None})["meta"] == {"b": {"c": [2]}}
    assert gc.addMetadataToFolder(folder["_id"], {"k": "v"})["meta"] == {"k": "v"}
    assert gc.addMetadataToCollection(collection["_id"], {"k": 1})["meta"] == {"k": 1}
    made = gc.createItem(folder["_id"], "described", metadata={"long": "x" * 100_000})
    assert len(gc.getItem(made["_id"])["meta"]["long"]) == 100_000
    assert [one["name"] for one in gc.listItem(folder["_id"], text="described")] == ["described"]

    access = gc.getFolderAccess(folder["_id"])
    gc.setFolderAccess(folder["_id"], access, public=True)
    gc.inheritAccessControlRecursive(folder["_id"])
    assert gc.getFolder(top["_id"])["public"] is True

    gc.delete(f"folder/{folder['_id']}")
    with pytest.raises(girder_client.HttpError, match="HTTP error 400: GET ") as raised:
        gc.getFolder(folder["_id"])
    assert raised.value.status == 400
    gc.delete(f"collection/{collection['_id']}")
    assert user["login"] == "admin"


def test_a_local_copy_is_kept_up_to_date(server: Girder, tmp_path: Path) -> None:
    gc = server.client()
    user = gc.get("user/me")
    name = f"sync {tmp_path.name}"
    folder = gc.createFolder(user["_id"], name, parentType="user")
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
        gc.uploadFileToFolder(folder["_id"], tmp_path / name)
    copy = tmp_path / "copy"

    def sync() -> girder_client.GirderClient:
        one = server.client()
        one.loadLocalMetadata(copy)
        one.downloadFolderRecursive(folder["_id"], copy, sync=True)
        one.saveLocalMetadata(copy)
        return one

    sync()
    before = {name: (copy / name).stat().st_mtime_ns for name in "abc"}
    sync()
    assert {name: (copy / name).stat().st_mtime_ns for name in "abc"} == before
    # Lost, changed there, changed here.
    (copy / "a").unlink()
    (copy / "c").write_text("another")
    (tmp_path / "b").write_text("longer")
    item: dict[str, Any] = next(gc.listItem(folder["_id"], name="b"))
    gc.uploadFileToItem(item["_id"], tmp_path / "b")
    client = sync()
    assert [(copy / name).read_text() for name in "abc"] == ["a", "longer", "c"]
    assert set(client.incomingMetadata) == {one["_id"] for one in gc.listItem(folder["_id"])}


def test_many_items_are_listed_page_by_page(server: Girder) -> None:
    gc = server.client()
    user = gc.get("user/me")
    folder = gc.createFolder(user["_id"], "many", parentType="user", reuseExisting=True)
    if not gc.listItem(folder["_id"]):
        for number in range(120):
            gc.createItem(folder["_id"], f"{number:03}")
    names = [f"{number:03}" for number in range(120)]
    assert [item["name"] for item in gc.listItem(folder["_id"])] == names
    assert len(list(gc.listItem(folder["_id"], limit=0))) == 120
    assert [one["name"] for one in gc.listItem(folder["_id"], limit=2, offset=117)] == names[
        117:119
    ]


def test_a_script_of_the_old_api(wsgi: Girder, tmp_path: Path) -> None:
    from girder_client.legacy import GirderClient

    host, _, port = wsgi.url.split("/")[2].partition(":")
    gc = GirderClient(host, int(port))
    gc.authenticate("admin", "password123")
    user = gc.get("user/me")
    with pytest.warns(DeprecationWarning, match="createFolder"):
        folder = gc.createFolder(user["_id"], "user", "old", "described")
    assert (folder["name"], folder["description"]) == ("old", "described")
    item = gc.createItem(folder["_id"], "item", "what it is")
    (tmp_path / "file.bin").write_bytes(b"x" * 1000)
    assert gc.isFileCurrent(item["_id"], "file.bin", tmp_path / "file.bin") == (None, False)
    gc.uploadFileToItem(item["_id"], tmp_path / "file.bin")
    files = gc.listResource(f"item/{item['_id']}/files", {})
    assert isinstance(files, list)
    assert gc.isFileCurrent(item["_id"], "file.bin", tmp_path / "file.bin") == (
        files[0]["_id"],
        True,
    )
    gc.MAX_CHUNK_SIZE = 400
    chunks = list(gc.file_chunker(str(tmp_path / "file.bin")))
    assert [(len(chunk), start) for chunk, start in chunks] == [(400, 0), (400, 400), (200, 800)]
    digest = hashlib.sha512(b"x" * 1000).hexdigest()
    assert gc.sha512_hasher(str(tmp_path / "file.bin")) == digest
    gc.downloadFolderRecursive(folder["_id"], str(tmp_path / "out"))
    assert (tmp_path / "out" / "item" / "file.bin").read_bytes() == b"x" * 1000
