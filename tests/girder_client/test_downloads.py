"""Contents on their way from a server that does not always send them whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import girder_client
import pytest
from girder_client import _download_tree
from support.fake import Fake, Reply, as_json, serving
from support.girder_tree import Tree, files_in

CONTENT = os.urandom(300_000)


@pytest.fixture(autouse=True, params=["core", "requests"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which contents come: both do the same."""
    found: str = request.param
    monkeypatch.setattr("selenite._rest._FIRST_PAUSE_SECONDS", 0.001)
    if found == "requests":
        monkeypatch.setattr("girder_client._bodies.may_use_core", lambda _: False)
    return found


class Site:
    """A server of one file, whose answers can be prescribed."""

    def __init__(self, content: bytes = CONTENT, **document: Any) -> None:
        self.content = content
        self.document = {"_id": "f", "name": "n", "created": "2030", "size": len(content)}
        self.document |= document
        self.heads: list[dict[str, str]] = []
        self.answers: list[Any] = []

    def __call__(self, method: str, path: str) -> Reply:
        if not path.endswith("download"):
            return as_json(self.document)
        start = int(self.heads[-1].get("range", "bytes=0-")[6:-1])
        if self.answers:
            answer = self.answers.pop(0)
            found: Reply = answer(start) if callable(answer) else answer
            return found
        return self.rest(start)

    def rest(self, start: int) -> Reply:
        size = len(self.content)
        where = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        return Reply(self.content[start:], 206 if start else 200, headers=where)

    def cut(self, count: int) -> Reply:
        return Reply(self.content[:count], length=len(self.content))

    def serve(self) -> Any:
        return serving(self, heads=self.heads)


def fetch(server: Fake, path: Any, **settings: Any) -> None:
    girder_client.GirderClient(apiUrl=server.url, **settings).downloadFile("f", path)


@pytest.mark.parametrize("status", [503, 403])
def test_it_goes_on_behind_what_has_come(status: int, tmp_path: Path) -> None:
    """Also after a URL of the store, which the server leads to, has expired."""
    site = Site()
    site.answers = [site.cut(196_608), Reply(b"", status)]
    with site.serve() as server:
        fetch(server, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == CONTENT
    downloads = [
        head for head, line in zip(site.heads, server.asked, strict=True) if "down" in line
    ]
    assert [head.get("range") for head in downloads] == [
        None,
        "bytes=196608-",
        "bytes=196608-",
    ]
    assert {head["accept-encoding"] for head in downloads} == {"identity"}


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Range": "bytes 5-9/10"}, {"Content-Range": "odd"}]
)
def test_what_is_no_continuation_is_the_beginning(headers: dict[str, str], tmp_path: Path) -> None:
    site = Site()
    site.answers = [site.cut(1000), Reply(CONTENT, 206 if headers else 200, headers=headers)]
    with site.serve() as server:
        fetch(server, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == CONTENT


def test_a_file_that_changed_is_begun_anew(tmp_path: Path) -> None:
    site = Site()
    other = os.urandom(50_000)

    def change(start: int) -> Reply:
        site.content, site.document = other, {**site.document, "created": "2031", "size": 50_000}
        return Reply(CONTENT[:1000], length=len(CONTENT))

    site.answers = [change]
    with site.serve() as server:
        fetch(server, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == other


def test_what_never_comes_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    site = Site()
    site.answers = [site.cut(65_536), *[Reply(b"", 503)] * 20]
    with site.serve() as server:
        with pytest.raises(girder_client.IncompleteResponseError) as raised:
            fetch(server, tmp_path / "n")
        assert (raised.value.expected, raised.value.received) == (len(CONTENT), 65_536)
        text = f"File f download (65536 of {len(CONTENT)} bytes received)"
        assert str(raised.value) == text
        site.answers = [Reply(CONTENT + b"more")] * 9
        with pytest.raises(girder_client.IncompleteResponseError):
            fetch(server, tmp_path / "n")
        site.answers = [Reply(CONTENT[:10])] * 9
        with pytest.raises(girder_client.IncompleteResponseError):
            fetch(server, io.BytesIO())
    assert os.listdir(tmp_path) == []


def test_contents_are_compared_with_known_digests(tmp_path: Path) -> None:
    site = Site(sha512=hashlib.sha512(CONTENT).hexdigest())
    with site.serve() as server:
        fetch(server, tmp_path / "n")
        site.answers = [Reply(CONTENT[::-1])]
        with pytest.raises(girder_client.ChecksumError, match="another SHA-512 digest"):
            fetch(server, tmp_path / "m")
    assert os.listdir(tmp_path) == ["n"]


def test_places_of_all_kinds(tmp_path: Path) -> None:
    with Site(b"abc", name="a/b").serve() as server:
        fetch(server, str(tmp_path / "new" / "folder" / "x"))
        fetch(server, tmp_path)
        stream = io.BytesIO()
        fetch(server, stream)
        with (tmp_path / "open").open("wb") as file:
            fetch(server, file)
        fetch(server, tmp_path / ("長" * 84))
    assert (tmp_path / "new" / "folder" / "x").read_bytes() == b"abc"
    assert (tmp_path / "a_b").read_bytes() == b"abc"
    assert (tmp_path / ("長" * 84)).read_bytes() == b"abc"
    assert (tmp_path / "open").read_bytes() == stream.getvalue() == b"abc"


def test_new_files_have_the_mode_of_new_files(tmp_path: Path) -> None:
    with Site(b"abc").serve() as server:
        os.umask(0o027)
        fetch(server, tmp_path / "n")
        assert (tmp_path / "n").stat().st_mode & 0o777 == 0o640
        # What is there is replaced itself, be it a link or read-only.
        (tmp_path / "target").write_text("kept")
        (tmp_path / "link").symlink_to("target")
        (tmp_path / "read-only").write_text("old")
        (tmp_path / "read-only").chmod(0o400)
        for name in ("link", "read-only"):
            fetch(server, tmp_path / name)
            assert (tmp_path / name).read_bytes() == b"abc"
            assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "target").read_text() == "kept"


def test_files_of_no_known_size_are_taken_as_they_come(tmp_path: Path) -> None:
    """As those that are links to other places."""
    site = Site(b"abc")
    del site.document["size"]
    with site.serve() as server:
        fetch(server, tmp_path / "n")
        site.answers = [Reply(b"a", length=3)]
        fetch(server, tmp_path / "m")
    assert (tmp_path / "n").read_bytes() == (tmp_path / "m").read_bytes() == b"abc"


def test_what_a_proxy_has_packed_is_unpacked(tmp_path: Path) -> None:
    site = Site()
    packed = Reply(gzip.compress(CONTENT), headers={"Content-Encoding": "gzip"})
    site.answers = [packed]
    with site.serve() as server:
        fetch(server, tmp_path / "n")
    assert (tmp_path / "n").read_bytes() == CONTENT


def test_one_request_is_enough_and_the_cache_needs_none(tmp_path: Path) -> None:
    site = Site(b"abc")
    settings: dict[str, Any] = {"cacheSettings": {"directory": str(tmp_path / "cache")}}
    with site.serve() as server:
        for name in ("x", "y"):
            fetch(server, tmp_path / name, **settings)
            assert (tmp_path / name).read_bytes() == b"abc"
        assert sum("download" in line for line in server.asked) == 1
        gc = girder_client.GirderClient(apiUrl=server.url, **settings)
        key = f"{server.url}/\nf\n2030"
        with gc.cache.get(key, read=True) as kept:
            assert kept.read() == b"abc"
        gc.cache.set(key, io.BytesIO(b"ab"), read=True)
        gc.downloadFile("f", tmp_path / "z")
        assert (tmp_path / "z").read_bytes() == b"abc"
        assert sum("download" in line for line in server.asked) == 2
        gc.cache.close()


@pytest.mark.parametrize(
    ("skip", "there", "asks"),
    [
        ("path", b"other", False),
        ("size", b"xyz", False),
        ("size", b"longer", True),
        ("hash", b"abc", False),
        ("hash", b"xyz", True),
    ],
)
def test_what_is_there_may_be_left_out(
    skip: str, there: bytes, asks: bool, tmp_path: Path, capsys: Any
) -> None:
    os.environ["SELENITE_PROGRESS"] = "on"
    (tmp_path / "n").write_bytes(there)
    site = Site(b"abc", sha512=hashlib.sha512(b"abc").hexdigest())
    with site.serve() as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.downloadFile("f", tmp_path / "n", skip=skip)
        assert any("download" in line for line in server.asked) == asks
        said = "" if asks else f"Skipping file {tmp_path / 'n'} [{skip}]\n"
        assert capsys.readouterr().out == said
        with pytest.raises(ValueError, match="invalid skip 'odd'"):
            gc.downloadFile("f", tmp_path / "n", skip="odd")


def test_a_token_that_expired_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("girder_client._login.by_key", lambda gc, key: gc.setToken(f"by {key}"))
    site = Site(b"abc")
    site.answers = [as_json({"message": "You must be logged in.", "type": "access"}, 401)]
    with site.serve() as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc._apiKey = "key"
        gc.downloadFile("f", tmp_path / "n")
    assert site.heads[-1]["girder-token"] == "by key"
    assert (tmp_path / "n").read_bytes() == b"abc"


def test_pieces_are_given_without_checks() -> None:
    with Site().serve() as server:
        pieces = girder_client.GirderClient(apiUrl=server.url).downloadFileAsIterator("f", 1000)
        assert isinstance(pieces, Iterator)
        assert b"".join(pieces) == CONTENT


@pytest.mark.parametrize("workers", [1, 8])
def test_names_that_are_no_names_of_files(workers: int, tmp_path: Path) -> None:
    tree = Tree(
        [
            ("../up", [("../up", b"1")]),
            ("nul\0\n", [("nul\0\n", b"2")]),
            ("twice", [("twice", b"3")]),
            ("twice", [("twice", b"4")]),
            ("many", [("a.txt", b"5"), ("a.txt", b"6"), ("../../etc", b"7")]),
            ("x" * 300 + ".txt", [("x" * 300 + ".txt", b"8")]),
            ("other", [("name", b"9")]),
            ("empty", []),
        ]
    )
    with serving(tree) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.maxWorkers = workers
        gc.downloadFolderRecursive("f", tmp_path / "out")
    assert files_in(tmp_path / "out") == {
        ".._up": b"1",
        "nul__": b"2",
        "twice": b"3",
        "twice (1)": b"4",
        "many/a.txt": b"5",
        "many/a (1).txt": b"6",
        "many/.._.._etc": b"7",
        "x" * 251 + ".txt": b"8",
        "other/name": b"9",
    }
    assert (tmp_path / "out" / "empty").is_dir()
    assert os.listdir(tmp_path) == ["out"]
    assert set(gc.incomingMetadata) == {item["_id"] for item in tree.items}
    assert gc.incomingMetadata["i0"] == tree.items[0]


def test_links_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "many").symlink_to(tmp_path / "elsewhere")
    with serving(Tree([("many", [("a", b"1"), ("b", b"2")])])) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        with pytest.raises(NotADirectoryError, match="is a link"):
            gc.downloadFolderRecursive("f", tmp_path / "out")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_one_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(girder_client, "DEFAULT_PAGE_LIMIT", 1)
    tree = Tree([("a", [("a", b"1"), ("b", b"2")]), ("c", [("c", b"3")])])
    answer = tree.__call__

    def paged(method: str, path: str) -> Reply:
        found = answer(method, path)
        if "/files" not in path:
            return found
        offset = int(path.partition("offset=")[2].partition("&")[0])
        return as_json(json.loads(found.body)[offset : offset + 1])

    with serving(paged) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.downloadItem("i0", tmp_path)
        gc.downloadItem("i1", tmp_path, name="c")
        gc.downloadItem("i1", str(tmp_path), "renamed")
        with pytest.raises(Exception, match="Invalid resource type: item"):
            gc.downloadResource("i0", tmp_path, "item")
    assert files_in(tmp_path) == {"a/a": b"1", "a/b": b"2", "c": b"3", "renamed/c": b"3"}


def test_an_item_of_one_file_is_one_request(tmp_path: Path, way: str) -> None:
    files = {f"{number}": b"content" for number in range(5)}
    with serving(Tree([(name, [(name, content)]) for name, content in files.items()])) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.maxWorkers = 1
        # One thing after the other: the first list tells that the server has no digests.
        gc.downloadFolderRecursive("f", tmp_path)
        asked = [line for line in server.asked if line.startswith(("GET /item/", "GET /file/"))]
    assert files_in(tmp_path) == files
    if way == "core":
        rest = [f"GET /item/i{number}/download" for number in range(1, 5)]
        assert [line.partition("?")[0] for line in asked] == [
            "GET /item/i0/files",
            "GET /file/i0f0/download",
            *rest,
        ]
    else:
        assert len(asked) == 10


def test_an_item_that_changed_after_it_was_listed_is_taken_as_it_is_now(tmp_path: Path) -> None:
    tree = Tree([(f"{number}", [(f"{number}", b"now")]) for number in range(4)])
    tree.items[2]["size"] = 7
    tree.items[3]["size"] = -1
    with serving(tree) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.maxWorkers = 1
        gc.downloadFolderRecursive("f", tmp_path)
        gc.saveLocalMetadata(tmp_path)
    told = json.loads((tmp_path / ".girder_metadata").read_text())
    (tmp_path / ".girder_metadata").unlink()
    assert files_in(tmp_path) == {f"{number}": b"now" for number in range(4)}
    assert told["i2"]["_selenite"][0]["size"] == 3


@pytest.mark.parametrize("is_told", [True, False])
def test_pages_are_asked_for_together(
    is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(girder_client, "DEFAULT_PAGE_LIMIT", 3)
    tree = Tree([(f"{number}", [(f"{number}", b"1")]) for number in range(9)])
    together = threading.Barrier(2)

    def paged(method: str, path: str) -> Reply:
        if not path.startswith("/item?"):
            return tree(method, path)
        offset = int(path.partition("offset=")[2].partition("&")[0])
        if is_told and offset:
            together.wait(30)
        total = {"Girder-Total-Count": "9"} if is_told else {}
        return replace(as_json(tree.items[offset : offset + 3]), headers=total)

    with serving(paged) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
        asked = sorted(line.partition("offset=")[2] for line in server.asked if "/item?" in line)
    # Of a server that does not say how many there are, one page too many.
    last = [] if is_told else ["9&limit=3"]
    assert asked == ["0&limit=3", "3&limit=3", "6&limit=3", *last]
    assert len(files_in(tmp_path)) == 9


@pytest.mark.parametrize("total", ["9" * 15, "9" * 5000])
def test_no_server_is_believed_how_long_a_list_is(
    total: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(girder_client, "DEFAULT_PAGE_LIMIT", 3)
    tree = Tree([(f"{number}", [(f"{number}", b"1")]) for number in range(9)])

    def paged(method: str, path: str) -> Reply:
        if not path.startswith("/item?"):
            return tree(method, path)
        offset = int(path.partition("offset=")[2].partition("&")[0])
        return replace(
            as_json(tree.items[offset : offset + 3]), headers={"Girder-Total-Count": total}
        )

    with serving(paged) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
        assert sum("/item?" in line for line in server.asked) < 40
    assert len(files_in(tmp_path)) == 9


def test_a_server_that_gives_less_at_once_is_asked_for_the_rest(tmp_path: Path) -> None:
    tree = Tree([(f"{number}", [(f"{number}", b"1")]) for number in range(9)])

    def paged(method: str, path: str) -> Reply:
        if not path.startswith("/item?"):
            return tree(method, path)
        offset = int(path.partition("offset=")[2].partition("&")[0])
        page = as_json(tree.items[offset : offset + 2])
        return replace(page, headers={"Girder-Total-Count": "9"})

    with serving(paged) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
    assert len(files_in(tmp_path)) == 9


def test_many_folders_are_listed_not_far_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, begun = _download_tree.Tree.of_folder, _download_tree.Tree.folder
    ahead: list[int] = [0]

    def of_folder(*given: Any) -> Any:
        ahead.append(ahead[-1] + 1)
        return listed(*given)

    def folder(*given: Any) -> None:
        ahead.append(ahead[-1] - 1)
        begun(*given)

    monkeypatch.setattr(_download_tree.Tree, "of_folder", of_folder)
    monkeypatch.setattr(_download_tree.Tree, "folder", folder)
    folders = [{"_id": f"{number}", "name": f"{number}"} for number in range(100)]

    def script(method: str, path: str) -> Reply:
        return as_json(folders if path.startswith("/folder?") and "parentId=f&" in path else [])

    with serving(script) as server:
        girder_client.GirderClient(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
    assert max(ahead) == 64
    assert len(os.listdir(tmp_path)) == 100


@pytest.mark.parametrize("is_tree", [True, False])
def test_files_of_an_item_come_side_by_side_and_are_told_of_in_order(
    is_tree: bool, tmp_path: Path, capsys: Any
) -> None:
    files = [(f"{number}", b"12") for number in range(4)]
    tree = Tree([("many", files), ("next", [("next", b"3")])])
    together = threading.Barrier(2)

    def script(method: str, path: str) -> Reply:
        if path.startswith("/file/i0"):
            together.wait(30)
        return tree(method, path)

    class Reporter(girder_client._NoopProgressReporter):
        def __exit__(self, *_: object) -> None:
            print(self.label, end=" ")

    with serving(script) as server:
        gc = girder_client.GirderClient(apiUrl=server.url, progressReporterCls=Reporter)
        gc.maxWorkers = 2
        if is_tree:
            gc.downloadFolderRecursive("f", tmp_path)
            gc.saveLocalMetadata(tmp_path)
        else:
            gc.downloadItem("i0", tmp_path)
    rest = "next " if is_tree else ""
    assert capsys.readouterr().out == f"0 1 2 3 {rest}"
    assert {path.name for path in (tmp_path / "many").iterdir()} == {"0", "1", "2", "3"}
    if is_tree:
        told = json.loads((tmp_path / ".girder_metadata").read_text())
        assert [file["path"] for file in told["i0"]["_selenite"]] == ["0", "1", "2", "3"]


def test_metadata_of_a_copy_is_read_by_others_and_written_whole(
    tmp_path: Path, capsys: Any
) -> None:
    os.environ["SELENITE_PROGRESS"] = "on"
    gc = girder_client.GirderClient()
    gc.loadLocalMetadata(tmp_path / "new")
    text = "Local metadata does not exists. Falling back to download.\n"
    assert capsys.readouterr().out == text
    with serving(Tree([("a", [("a", b"1")]), ("m", [("x", b"2"), ("y", b"3")])])) as server:
        gc = girder_client.GirderClient(apiUrl=server.url)
        gc.downloadFolderRecursive("f", tmp_path / "new", sync=True)
        gc.saveLocalMetadata(tmp_path / "new")
        told = json.loads((tmp_path / "new" / ".girder_metadata").read_text())
        assert told["i0"]["name"] == "a"
        assert told["i0"]["_selenite"][0]["size"] == 1
        server.asked.clear()
        # Also what another client has written, which tells nothing of files.
        for document in told.values():
            del document["_selenite"]
        for known in (json.loads((tmp_path / "new" / ".girder_metadata").read_text()), told):
            again = girder_client.GirderClient(apiUrl=server.url)
            again.localMetadata = known
            again.downloadFolderRecursive("f", tmp_path / "new", sync=True)
        assert [line for line in server.asked if "download" in line] == []
        (tmp_path / "new" / "m" / "y").write_text("longer")
        again.downloadFolderRecursive("f", tmp_path / "new", sync=True)
        assert (tmp_path / "new" / "m" / "y").read_bytes() == b"3"
    gc.saveLocalMetadata(tmp_path / "empty")
    assert (tmp_path / "empty" / ".girder_metadata").exists()


def test_subclasses_may_download_items_and_name_them(tmp_path: Path) -> None:
    seen: list[str] = []

    class Own(girder_client.GirderClient):
        def downloadItem(self, itemId: str, dest: Any, name: str | None = None, **_: Any) -> None:
            seen.append(itemId)
            super().downloadItem(itemId, dest, name)

        def _transformFilename(self, name: str) -> str:
            return name.upper()

    with serving(Tree([("a", [("a", b"1")])])) as server:
        Own(apiUrl=server.url).downloadFolderRecursive("f", tmp_path)
    assert seen == ["i0"]
    assert "A" in os.listdir(tmp_path)


def test_an_interruption_ends_everything(tmp_path: Path) -> None:
    """A reporter's failure, as a signal, stops what is under way; nothing is left behind."""
    tree = Tree([(f"{number}", [(f"{number}", CONTENT)]) for number in range(40)])

    class Reporter(girder_client._NoopProgressReporter):
        def update(self, chunkSize: int) -> None:
            raise ZeroDivisionError

    with serving(tree) as server:
        gc = girder_client.GirderClient(apiUrl=server.url, progressReporterCls=Reporter)
        with pytest.raises(ZeroDivisionError):
            gc.downloadFolderRecursive("f", tmp_path)
    assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []
    assert [one.name for one in threading.enumerate() if one.name == "girder-transfer"] == []
