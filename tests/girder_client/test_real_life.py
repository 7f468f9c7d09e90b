"""All that a user does with a server, in order, on each kind of server and store."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import girder_client
import pytest
import selenite
from support.cut import cutting
from support.fake import Reply, serving
from support.girder import PYTHON, Girder, new_folder

MIB = 1 << 20
# `scripts/full girder` takes more.
LARGE = int(os.environ.get("SELENITE_GIRDER_MIB", "66"))
MANY = int(os.environ.get("SELENITE_GIRDER_ITEMS", "120"))
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

    tree = make_tree(tmp_path / "tree", big=LARGE)
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
    folder = new_folder(gc)
    names = [f"{number:04}" for number in range(MANY)]
    for name in names:
        gc.createItem(folder["_id"], name)
    assert [item["name"] for item in gc.listItem(folder["_id"])] == names
    assert len(list(gc.listItem(folder["_id"], limit=0))) == MANY
    listed = gc.listItem(folder["_id"], limit=2, offset=MANY - 3)
    assert [one["name"] for one in listed] == names[-3:-1]
    answer = gc.get("item", {"folderId": folder["_id"], "limit": 1}, jsonResp=False)
    assert answer.headers["Girder-Total-Count"] == str(MANY)


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


@pytest.fixture(params=["core", "requests"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which contents go: both do the same."""
    found: str = request.param
    monkeypatch.setattr("selenite._rest._FIRST_PAUSE_SECONDS", 0.01)
    if found == "requests":
        monkeypatch.setattr("girder_client._bodies.may_use_core", lambda _: False)
    return found


@pytest.mark.parametrize("where", ["wsgi", "on_s3"])
def test_what_breaks_off_goes_on(
    where: str, way: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Girder = request.getfixturevalue(where)
    size = max(24 if where == "wsgi" else 70, LARGE if LARGE > 66 else 0) * MIB
    (tmp_path / "f").write_bytes(os.urandom(size))
    with cutting(server.url) as cut:
        gc = girder_client.GirderClient(apiUrl=cut.url)
        gc.setToken(server.client().token)
        folder = new_folder(gc)
        gc.MAX_CHUNK_SIZE = size if where == "wsgi" else 16 * MIB
        cut.up = cut.sent + size * 5 // 8
        told: list[Any] = []
        file = gc.uploadFileToFolder(folder["_id"], tmp_path / "f", progressCallback=told.append)
        assert cut.up is None, "it was cut"
        # What had arrived is not sent again; on S3, the chunks that had.
        most = size + (8 if where == "wsgi" else 24) * MIB
        assert size <= cut.sent < most
        assert file["size"] == size
        # Contents come from the store itself if there is one.
        source = server.store or cut
        before = source.received
        source.down = before + size * 5 // 8
        gc.downloadFile(file["_id"], tmp_path / "g")
        assert source.down is None, "it was cut"
        assert size <= source.received - before < size + 8 * MIB
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes()
    assert server.uploads() == []
    assert sorted(os.listdir(tmp_path)) == ["f", "g"]


def test_chunks_of_any_size_arrive_on_s3(on_s3: Girder, way: str, tmp_path: Path) -> None:
    gc = on_s3.client()
    folder = new_folder(gc)
    gc.MAX_CHUNK_SIZE = 8 * MIB
    (tmp_path / "f").write_bytes(os.urandom(20 * MIB))
    file = gc.uploadFileToFolder(folder["_id"], tmp_path / "f")
    for name in ('odd "q" é', "empty"):
        gc.uploadStreamToFolder(folder["_id"], io.BytesIO(b""), name, 0)
    gc.downloadFile(file["_id"], tmp_path / "g")
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes()
    gc.uploadFileContents(file["_id"], io.BytesIO(b"replaced"), 8)
    gc.downloadFolderRecursive(folder["_id"], tmp_path / "all")
    assert {path.name: path.stat().st_size for path in (tmp_path / "all").iterdir()} == {
        "f": 8,
        "empty": 0,
        'odd "q" é': 0,
    }


def test_small_files_come_together_where_that_is_faster(
    server: Girder, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Not where the server would get each of them from a store."""
    gc = server.client(verbose=False)
    folder = new_folder(gc)
    for number in range(3):
        (tmp_path / "tree" / f"{number}").mkdir(parents=True)
        for name in ("a", "b", "é ü", "[x] 'y' ;", "empty", "f"):
            content = b"" if name == "empty" else f"{number}{name}".encode() * 9
            (tmp_path / "tree" / f"{number}" / name).write_bytes(content)
    gc.upload(tmp_path / "tree", folder["_id"])
    item = gc.createItem(folder["_id"], "many / of them")
    for number in range(17):
        gc.uploadFile(item["_id"], io.BytesIO(b"%d" % number), f"{number}", len(b"%d" % number))
    came: list[int] = []
    packed = girder_client._bodies.download_packed

    def counted(*given: Any, **named: Any) -> list[bool]:
        found = packed(*given, **named)
        came.append(sum(found))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("girder_client._bodies.download_packed", counted)
        gc.downloadFolderRecursive(folder["_id"], tmp_path / "out")
    assert contents(tmp_path / "out" / "tree") == contents(tmp_path / "tree")
    assert len(os.listdir(tmp_path / "out" / "many _ of them")) == 17
    of_item, of_tree = 17, 17
    expected = {"wsgi": [of_item, of_tree], "asgi": [of_item, of_tree], "on_s3": []}
    kind: str = request.node.callspec.params["server"]
    assert sorted(came) == sorted(expected[kind])


def test_files_go_to_the_store_themselves(on_s3: Girder, tmp_path: Path) -> None:
    gc = on_s3.client(direct=True)
    folder = new_folder(gc)
    (tmp_path / "large").write_bytes(os.urandom(MIB) * 66)
    (tmp_path / "small").write_bytes(b"content")
    with cutting(on_s3.url) as cut:
        gc.urlBase = f"{cut.url}/"
        for name in ("large", "small"):
            gc.uploadFileToFolder(folder["_id"], tmp_path / name)
        assert cut.sent < MIB, "Girder sees requests, not contents"
        gc.urlBase = f"{on_s3.url}/"
    gc.downloadFolderRecursive(folder["_id"], tmp_path / "out")
    for name in ("large", "small"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert on_s3.uploads() == []


def test_changed_content_of_the_same_size_is_seen(asgi: Girder, tmp_path: Path) -> None:
    """The server has digests; also of what is downloaded."""
    gc = asgi.client()
    folder = new_folder(gc)
    (tmp_path / "f").write_text("abc")
    gc.upload(tmp_path / "f", folder["_id"], reuseExisting=True)
    (tmp_path / "f").write_text("xyz")
    gc.upload(tmp_path / "f", folder["_id"], reuseExisting=True)
    gc.downloadFolderRecursive(folder["_id"], tmp_path / "out")
    assert (tmp_path / "out" / "f").read_text() == "xyz"
    file = next(gc.listFile(next(gc.listItem(folder["_id"]))["_id"]))
    stored = next(asgi.root.rglob(file["sha512"]))
    stored.chmod(0o600)
    stored.write_text("abc")
    with pytest.raises(girder_client.ChecksumError):
        gc.downloadFile(file["_id"], tmp_path / "g")
    with pytest.raises(girder_client.ChecksumError):
        gc.downloadFolderRecursive(folder["_id"], tmp_path / "again")
    assert not (tmp_path / "g").exists()


def test_an_upload_of_what_is_there_changes_nothing(wsgi: Girder, tmp_path: Path) -> None:
    gc = wsgi.client()
    folder = new_folder(gc)
    (tmp_path / "t" / "s").mkdir(parents=True)
    (tmp_path / "t" / "s" / "a").write_text("a")
    gc.upload(tmp_path / "t", folder["_id"], reuseExisting=True)
    before = gc.getFolder(folder["_id"]), list(gc.listFolder(folder["_id"]))
    gc.upload(tmp_path / "t", folder["_id"], reuseExisting=True)
    assert (gc.getFolder(folder["_id"]), list(gc.listFolder(folder["_id"]))) == before


def test_a_short_stream_is_gone_from_the_server(wsgi: Girder) -> None:
    gc = wsgi.client()
    item = gc.createItem(new_folder(gc)["_id"], "i")
    with pytest.raises(girder_client.IncorrectUploadLengthError) as raised:
        gc.uploadFile(item["_id"], io.BytesIO(b"12345"), "n", 6)
    assert raised.value.upload is not None
    assert raised.value.upload["received"] == 5
    with pytest.raises(girder_client.HttpError):
        gc.get("file/offset", {"uploadId": raised.value.upload["_id"]})


def test_a_link_leads_away_without_the_token(wsgi: Girder, tmp_path: Path) -> None:
    gc = wsgi.client()
    item = gc.createItem(new_folder(gc)["_id"], "link")
    heads: list[dict[str, str]] = []
    with serving(lambda _, __: Reply(b"elsewhere"), heads=heads) as other:
        link = {"parentType": "item", "parentId": item["_id"], "name": "link", "linkUrl": other.url}
        file = gc.post("file", parameters=link)
        gc.downloadFile(file["_id"], tmp_path / "a")
        gc.downloadItem(item["_id"], tmp_path)
        gc.downloadFolderRecursive(item["folderId"], tmp_path / "out")
    for path in (tmp_path / "a", tmp_path / "link", tmp_path / "out" / "link"):
        assert path.read_bytes() == b"elsewhere"
    assert len(heads) >= 3
    assert gc.token not in json.dumps(heads)


def test_one_time_passwords_and_keys(wsgi: Girder) -> None:
    gc = wsgi.client()
    user = gc.createUser("passwords", "otp@example.org", "O", "T", "password12")
    own = girder_client.GirderClient(apiUrl=wsgi.url)
    own.authenticate("passwords", "password12")
    secret = own.post(f"user/{user['_id']}/otp")["totpUri"]
    code = "import pyotp, sys; print(pyotp.parse_uri(sys.argv[1]).now())"
    command = [PYTHON, "-c", code, secret]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    headers = {"Girder-OTP": done.stdout.strip()}
    own.sendRestRequest("PUT", f"user/{user['_id']}/otp", headers=headers)
    with pytest.raises(girder_client.AuthenticationError, match="must include a one-time password"):
        own.authenticate("passwords", "password12")
    # It was used once. What was used half a minute ago, the server may take once more.
    told: list[str] = []
    for _ in range(2):
        try:
            own.authenticate("passwords", "password12", otp=headers["Girder-OTP"])
        except girder_client.AuthenticationError as error:
            told.append(str(error))
    assert any("already been used" in text for text in told)
    key = gc.post("api_key", parameters={"name": "k"})
    with_key = girder_client.GirderClient(apiUrl=wsgi.url)
    assert set(with_key.authenticate(apiKey=key["key"])) == {"_id"}
    assert with_key.get("user/me")["login"] == "admin"
    with_key.setToken("x" * 64)
    assert with_key.createCollection("by key")["name"] == "by key"


def test_it_can_be_interrupted(wsgi: Girder, tmp_path: Path) -> None:
    """Control-C ends everything within a moment, and leaves nothing unfinished."""
    (tmp_path / "f").write_bytes(bytes(200 * MIB))
    script = (
        "import girder_client, os, signal, sys, threading, time\n"
        "gc = girder_client.GirderClient(apiUrl=sys.argv[1])\n"
        "gc.setToken(sys.argv[2])\n"
        "def end():\n"
        "    time.sleep(0.3)\n"
        "    sent.append(time.monotonic())\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "sent = []\n"
        "try:\n"
        "    threading.Thread(target=end).start()\n"
        "    gc.upload(sys.argv[3], sys.argv[4])\n"
        "except KeyboardInterrupt: print(time.monotonic() - sent[0])\n"
    )
    gc = wsgi.client()
    folder = new_folder(gc)
    command = [sys.executable, "-c", script, wsgi.url, gc.token, tmp_path / "f", folder["_id"]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 5, "half a second on a machine that is not busy"
    assert wsgi.uploads() == []


DEPENDENT = """
import sys
import girder_client
from girder_worker.utils.transforms.girder_io import GirderFileId, GirderUploadToFolder
gc = girder_client.GirderClient(apiUrl=sys.argv[1])
gc.setToken(sys.argv[2])
path = GirderFileId(sys.argv[3], gc=gc).transform()
assert open(path).read() == "content", path
print(girder_client.__file__)
"""


def test_a_dependent_beside_the_original_gets_ours(wsgi: Girder) -> None:
    """In the server's environment, which has girder-worker and the original client."""
    gc = wsgi.client()
    folder = new_folder(gc)
    file = gc.uploadStreamToFolder(folder["_id"], io.BytesIO(b"content"), "f", 7)
    home = Path(selenite.__file__).parents[1]
    done = subprocess.run(
        [PYTHON, "-P", "-c", DEPENDENT, wsgi.url, gc.token, file["_id"]],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(home)},
    )
    assert done.returncode == 0, done.stderr
    ours = home / "selenite" / "dropin" / "girder_client" / "__init__.py"
    assert done.stdout.splitlines()[-1] == str(ours)
