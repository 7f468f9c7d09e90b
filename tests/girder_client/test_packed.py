"""Many small files that come out of one archive."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import girder_client
import pytest
from support.fake import Reply, serving
from support.girder_tree import Packing, archive, files_in, single

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")

COUNT = 20
SMALL = {f"f{number:02}": b"%d" % number for number in range(COUNT)}


def contents_asked(asked: list[str]) -> list[str]:
    return sorted(line for line in asked if "/download" in line)


def test_small_files_come_in_one_answer_and_are_told_of_in_order(
    tmp_path: Path, capsys: Any
) -> None:
    class Reporter(girder_client._NoopProgressReporter):
        told = 0

        def update(self, chunkSize: int) -> None:
            self.told += chunkSize

        def __exit__(self, *_: object) -> None:
            print(self.label, self.told, end=" ")

    large = os.urandom(300_000)
    files = {"a": b"1", "big": large, **SMALL, "empty": b"", "é ü": b"2"}
    with serving(Packing(single(files))) as server:
        gc = girder_client.GirderClient(apiUrl=server.url, progressReporterCls=Reporter)
        gc.downloadFolderRecursive("f", tmp_path)
        gc.saveLocalMetadata(tmp_path)
        asked = contents_asked(server.asked)
    assert capsys.readouterr().out == "".join(f"{name} {len(of)} " for name, of in files.items())
    told = json.loads((tmp_path / ".girder_metadata").read_text())
    (tmp_path / ".girder_metadata").unlink()
    assert files_in(tmp_path) == files
    # One tells whether there are digests, and one is large.
    alone = [line for line in asked if "/resource/" not in line]
    assert len(asked) - len(alone) == 1
    assert len(alone) == 2
    assert [file["size"] for one in told.values() for file in one["_selenite"]] == [
        len(of) for of in files.values()
    ]
    gc = girder_client.GirderClient()
    gc.localMetadata = told
    assert all(gc._local.is_current(item, str(tmp_path / item["name"])) for item in told.values())


def _cut(files: list[tuple[str, bytes]]) -> Reply:
    body = archive(files)
    return Reply(body[:-30], kind="application/zip")


def _broken(files: list[tuple[str, bytes]]) -> Reply:
    body = archive(files)
    return Reply(body[:-30], kind="application/zip", length=len(body))


@pytest.mark.parametrize(
    ("change", "alone"),
    [
        (lambda files: [("../x", b"evil"), *files, ("f05/f05", b"5")], 0),
        (lambda files: files[:3] + files[5:], 2),
        (lambda files: [*files[:3], ("f04", b"other"), *files[4:]], 1),
        (lambda files: [*files, files[7]], 1),
        (lambda files: files[::-1], 0),
        (_cut, COUNT - 1),
        (_broken, COUNT - 1),
        (lambda _: Reply(b"{}", 400, "application/json"), COUNT - 1),
        (lambda _: Reply(b"<html>", 404), COUNT - 1),
        (lambda _: Reply(b"<html>", kind="text/html"), COUNT - 1),
    ],
    ids=[
        "more",
        "missing",
        "other",
        "twice",
        "reversed",
        "cut",
        "broken",
        "gone",
        "unknown",
        "page",
    ],
)
def test_what_does_not_come_is_asked_for_by_itself(
    change: Callable[..., Any], alone: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    with serving(Packing(single(SMALL), change)) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
        asked = contents_asked(server.asked)
    assert files_in(tmp_path) == SMALL
    packed = [line for line in asked if "/resource/" in line]
    assert len(packed) == 1
    assert len(asked) == 1 + 1 + alone


def test_items_that_are_no_single_files_come_in_another_way(tmp_path: Path) -> None:
    many = [(f"{number}", b"%d" % number) for number in range(3)]
    odd = {"a/b": b"1", "n\0": b"2", "back\\slash": b"3"}
    items = [*single(SMALL | odd), ("many", many), ("none", []), ("other", [("name", b"4")])]
    items += single({"f01": b"twice"})
    tree = Packing(items)
    with serving(tree) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
        asked = contents_asked(server.asked)
    assert sum("/resource/" in line for line in asked) == 1
    found = files_in(tmp_path)
    assert found == {
        **SMALL,
        **{f"many/{name}": content for name, content in many},
        "a_b": b"1",
        "n_": b"2",
        "back\\slash": b"3",
        "other/name": b"4",
        "f01 (1)": b"twice",
    }
    assert (tmp_path / "none").is_dir()


def test_a_server_without_archives_is_asked_once(tmp_path: Path) -> None:
    tree = Packing(single({f"{number:03}": b"1" for number in range(250)}))
    tree.change = lambda _: Reply(b"", 404)
    with serving(tree) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.maxWorkers = 2
        gc.downloadFolderRecursive("f", tmp_path)
        asked = sum("/resource/" in line for line in server.asked)
    assert len(files_in(tmp_path)) == 250
    # Two were on their way at once.
    assert asked <= 2


@pytest.mark.parametrize("how", ["alone", "skip", "cache", "few", "requests", "method"])
def test_archives_are_left_alone_where_requests_count(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The item of many is small, too.
    count = 14 if how == "few" else COUNT
    settings: dict[str, Any] = {}
    if how == "cache":
        settings = {"cacheSettings": {"directory": str(tmp_path / "cache")}}
    if how == "requests":
        monkeypatch.setattr("girder_client._bodies.may_use_core", lambda _: False)
    items = single(dict(list(SMALL.items())[:count]))
    with serving(Packing([*items, ("item", list(SMALL.items())[:count])])) as server:
        gc = girder_client.GirderClient(apiUrl=server.url, **settings)
        gc.maxWorkers = 1 if how == "alone" else 4
        if how == "method":
            gc.getFile = gc.getFile  # type: ignore[method-assign]
        skip: Any = {"skip": "size"} if how == "skip" else {}
        gc.downloadFolderRecursive("f", tmp_path / "out", **skip)
        assert not any("/resource/" in line for line in server.asked)
    assert len(files_in(tmp_path / "out")) == 2 * count


@pytest.mark.parametrize("is_item", [True, False])
def test_more_files_come_than_are_begun_ahead(
    is_item: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("girder_client._together._AHEAD", 5)
    items = [("item", list(SMALL.items()))] if is_item else single(SMALL)
    with serving(Packing(items)) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
        # Of a tree, none waits for others then.
        assert any("/resource/" in line for line in server.asked) == is_item
    assert files_in(tmp_path / "item" if is_item else tmp_path) == SMALL


def test_a_server_that_has_a_store_is_asked_for_no_archive(tmp_path: Path) -> None:
    tree = Packing([*single({"first": b"", **SMALL}), ("item", list(SMALL.items()))])
    with serving(tree) as store:

        def leading(method: str, path: str) -> Reply:
            if path.endswith("/download"):
                return Reply(status=303, headers={"Location": store.url + path})
            return tree(method, path)

        with serving(leading) as server:
            girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
            assert not any("/resource/" in line for line in server.asked)
    assert len(files_in(tmp_path)) == 2 * COUNT + 1


@pytest.mark.parametrize("name", [None, "renamed"])
def test_the_files_of_an_item_come_in_one_answer(name: str | None, tmp_path: Path) -> None:
    files = [*SMALL.items(), ("twice", b"1"), ("twice", b"2"), ("../up", b"3")]
    with serving(Packing([("the item", files)])) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadItem("i0", tmp_path, name=name)
        asked = contents_asked(server.asked)
    expected = {**SMALL, "twice": b"1", "twice (1)": b"2", ".._up": b"3"}
    assert files_in(tmp_path / (name or "the item")) == expected
    # One tells that the server has no store; which of two is which, the archive does not tell.
    assert len(asked) == 4
    assert sum("/resource/" in line for line in asked) == 1


def test_digests_are_compared(tmp_path: Path) -> None:
    tree = Packing([("item", list(SMALL.items()))])
    for file in tree.files["i0"]:
        file["sha512"] = hashlib.sha512(tree.contents[file["_id"]]).hexdigest()
    tree.change = lambda files: [*files[:-1], (files[-1][0], b"xx")]
    with serving(tree) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.downloadItem("i0", tmp_path)
        assert len(contents_asked(server.asked)) == 3
        tree.contents["i0f19"] = b"xx"
        with pytest.raises(girder_client.ChecksumError):
            gc.downloadItem("i0", tmp_path / "again")
    assert files_in(tmp_path / "item") == SMALL
    assert "f19" not in os.listdir(tmp_path / "again" / "item")


def test_digests_of_a_tree_are_compared(tmp_path: Path) -> None:
    many = [(f"{number}", b"%d" % number) for number in range(3)]
    tree = Packing([*single(SMALL), ("many", many), ("none", []), ("link", [("link", b"x")])])
    for files in tree.files.values():
        for file in files:
            file["sha512"] = hashlib.sha512(tree.contents[file["_id"]]).hexdigest()
    tree.files[f"i{COUNT + 2}"][0]["linkUrl"] = "http://127.0.0.1/"
    tree.change = lambda files: [*files[:7], (files[7][0], b"x"), *files[8:]]
    with serving(tree) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.downloadFolderRecursive("f", tmp_path)
        gc.saveLocalMetadata(tmp_path)
        asked = contents_asked(server.asked)
        lists = [line for line in server.asked if "/files" in line]
    told = json.loads((tmp_path / ".girder_metadata").read_text())
    (tmp_path / ".girder_metadata").unlink()
    assert files_in(tmp_path) == {
        **SMALL,
        **{f"many/{name}": content for name, content in many},
        "link": b"x",
    }
    assert (tmp_path / "none").is_dir()
    assert told["i9"]["_selenite"][0]["_id"] == "i9f0"
    # One tells that there are digests, one is another in the archive; then a link, and three files.
    assert len(asked) == 1 + 1 + 1 + 1 + 3
    assert sum("/resource/" in line for line in asked) == 1
    assert len(lists) == COUNT + 3 + 1
    tree.contents["i5f0"] = b"x"
    with serving(tree) as server, pytest.raises(girder_client.ChecksumError):
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path / "2")
    assert "f05" not in os.listdir(tmp_path / "2")


def test_a_link_on_the_server_is_followed(tmp_path: Path) -> None:
    """Its URL is no content, though the archive has it, and its size may be said to be that."""
    with serving(lambda *_: Reply(b"x" * 40)) as other:
        url = f"{other.url}/".ljust(40, "x").encode()
        tree = Packing(single({**SMALL, "link": url}))
        answer = tree.__call__

        def redirecting(method: str, path: str) -> Reply:
            if path.startswith((f"/file/i{COUNT}f0/download", f"/item/i{COUNT}/download")):
                return Reply(status=303, headers={"Location": url.decode()})
            return answer(method, path)

        with serving(redirecting) as server:
            girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
    assert files_in(tmp_path) == {**SMALL, "link": b"x" * 40}


def test_an_item_that_is_listed_twice_comes_twice(tmp_path: Path) -> None:
    """As where somebody adds one before it while the list is asked for."""
    tree = Packing(single(SMALL))
    tree.items.append(tree.items[3])
    with serving(tree) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
    assert files_in(tmp_path) == {**SMALL, "f03 (1)": b"3"}


def test_a_folder_that_takes_no_file_ends_it(tmp_path: Path) -> None:
    (tmp_path / "f07").mkdir()
    with serving(Packing(single(SMALL))) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.downloadFolderRecursive("f", tmp_path)
        # What is a folder here gets the file into it.
        assert files_in(tmp_path / "f07") == {"f07": b"7"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("selenite._core.girder_download_packed", _full)
            with pytest.raises(OSError, match="No space left"):
                gc.downloadFolderRecursive("f", tmp_path / "full")


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_callback_that_fails_ends_everything(tmp_path: Path) -> None:
    class Reporter(girder_client._NoopProgressReporter):
        def update(self, chunkSize: int) -> None:
            raise ZeroDivisionError

    def slow(method: str, path: str) -> Reply:
        if "/resource/" in path:
            return Reply(b"PK", kind="application/zip", length=100_000, stall=True)
        return tree(method, path)

    tree = Packing(single({f"{number:03}": b"1" for number in range(150)}))
    with serving(slow) as server:
        gc = girder_client.GirderClient(apiUrl=server.url, progressReporterCls=Reporter)
        with pytest.raises(ZeroDivisionError):
            gc.downloadFolderRecursive("f", tmp_path)
    assert [name for name in os.listdir(tmp_path) if not name.isdigit()] == []


def test_nobody_is_told_of_what_is_no_object(tmp_path: Path) -> None:
    """A list of the server that has no sizes, or odd ones."""
    tree = Packing(single(SMALL))
    for item, size in zip(tree.items, [None, -1, "1", True, 1 << 70, 1.5], strict=False):
        item["size"] = size
    with serving(tree) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
    assert files_in(tmp_path) == SMALL
