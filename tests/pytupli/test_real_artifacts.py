"""Content of artifacts, to the real service and back."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import selenite
from pytupli.schema import ArtifactMetadata, FilterEQ
from pytupli.storage import TupliAPIClient, TupliStorageError
from support.tupli import FileKeyring, Keyring, Tupli, token

Become = Callable[[str], TupliAPIClient]
# A gibibyte in scripts/full.
MIB = int(os.environ.get("SELENITE_TUPLI_MIB", "96"))


def test_round_trip(become: Become) -> None:
    mine = become("alice")
    metadata = ArtifactMetadata(name="é", description="d", benchmark_id="b", extra={"k": 1})
    item = mine.store_artifact(artifact=b"content", metadata=metadata)
    assert item.model_dump(include=set(ArtifactMetadata.model_fields)) == metadata.model_dump()
    assert item.hash == hashlib.sha256(b"contentalice").hexdigest()
    assert mine.load_artifact(uri=item.id, anything=1) == b"content"
    again = mine.store_artifact(b"content", ArtifactMetadata(name="other"))
    assert again == item

    other = become("bob")
    with pytest.raises(TupliStorageError) as raised:
        other.load_artifact(item.id)
    assert raised.value.status_code == 403
    mine = become("alice")
    mine.publish_artifact(item.id)
    assert become("bob").load_artifact(item.id) == b"content"
    become("admin").unpublish_artifact(item.id, "global")
    with pytest.raises(TupliStorageError):
        become("bob").load_artifact(item.id)
    become("alice").delete_artifact(item.id)
    with pytest.raises(TupliStorageError, match=r"\(Artifact does not exist\)$"):
        mine.load_artifact(item.id)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (1 << 20) + 1, 64 << 20])
def test_sizes(client: TupliAPIClient, size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    item = client.store_artifact(content, {"name": f"of {size}"})
    assert client.load_artifact(item.id) == content
    client.download_artifact(item.id, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["file"]
    client.delete_artifact(item.id)


@pytest.mark.parametrize(
    "content",
    [
        bytearray(b"1"),
        memoryview(b"abcdef")[::2],
        memoryview(bytes(16)).cast("d"),
        "tést",
        io.BytesIO(b"2"),
        io.StringIO("text"),
    ],
)
def test_kinds(client: TupliAPIClient, content: Any) -> None:
    expected = content.encode() if isinstance(content, str) else content
    expected = content.getvalue() if hasattr(content, "getvalue") else expected
    expected = expected.encode() if isinstance(expected, str) else bytes(memoryview(expected))
    item = client.store_artifact(content, {"name": "a"})
    assert client.load_artifact(item.id) == expected


def test_files(client: TupliAPIClient, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3 << 20))
    item = client.store_artifact(file, {"name": "a"})
    assert client.load_artifact(item.id) == file.read_bytes()
    with file.open("rb") as stream:
        stream.seek(5)
        rest = client.store_artifact(stream, {"name": "b"})
    assert client.load_artifact(rest.id) == file.read_bytes()[5:]
    with pytest.raises(FileNotFoundError):
        client.store_artifact(tmp_path / "none", {"name": "a"})


def test_many_at_once(client: TupliAPIClient) -> None:
    contents = [os.urandom(1000 + number) for number in range(12)]
    made = client.store_artifacts([(one, {"name": "a"}) for one in contents], workers=4)
    assert client.load_artifacts([one.id for one in made], workers=4) == contents
    with pytest.raises(TupliStorageError):
        client.load_artifacts([made[0].id, "none", made[1].id])


def test_requests_after_downloads_find_a_connection(client: TupliAPIClient) -> None:
    """The service drops the connection of a download without a word."""
    item = client.store_artifact(b"small", {"name": "a"})
    client.retries = 0
    for _ in range(20):
        assert client.load_artifact(item.id) == b"small"
        assert client.store_artifact(b"small", {"name": "a"}).id == item.id


def test_content_that_others_have_under_the_same_hash(become: Become) -> None:
    theirs = become("qb").store_artifact(b"foo", {"name": "theirs"})
    with pytest.raises(TupliStorageError, match=r"the item .* of qb, which is not that of this"):
        become("b").store_artifact(b"fooq", {"name": "mine"})
    assert become("qb").load_artifact(theirs.id) == b"foo"


def test_hashes_are_no_ids(client: TupliAPIClient, caplog: pytest.LogCaptureFixture) -> None:
    item = client.store_artifact(b"hashed", {"name": "a"})
    with pytest.raises(TupliStorageError, match="is a content hash; pass the item's id") as raised:
        client.load_artifact(item.hash)
    assert raised.value.status_code == 404
    with pytest.raises(TupliStorageError, match="is a content hash"):
        client.load_benchmark(item.hash)
    client.delete_artifact(item.hash)
    assert "is a content hash, and nothing was deleted" in caplog.text
    caplog.clear()
    client.delete_artifact(item.id)
    assert caplog.text == ""


def test_metadata_that_the_service_cannot_send(
    client: TupliAPIClient, caplog: pytest.LogCaptureFixture
) -> None:
    item = client.store_artifact("日本", {"name": "日本"})
    assert "characters beyond latin-1" in caplog.text
    assert client.list_artifacts(FilterEQ(key="id", value=item.id)) == [item]
    with pytest.raises(TupliStorageError, match=r"^API request failed: 500 .* beyond latin-1"):
        client.load_artifact(item.id)


def test_lost_fields_are_named(client: TupliAPIClient, caplog: pytest.LogCaptureFixture) -> None:
    class More(ArtifactMetadata):
        more: int

    client.store_artifact(b"more", More(name="a", more=1))
    assert caplog.messages == ["not kept, since no ArtifactMetadata has it: more"]


def test_progress(client: TupliAPIClient) -> None:
    events: list[selenite.ProgressEvent] = []
    with selenite.progress(events.append):
        item = client.store_artifact(bytes(9 << 20), {"name": "told"})
        client.load_artifact(item.id)
    assert {event.task for event in events} == {"store_artifact", "load_artifact"}
    assert [event.kind for event in events].count("done") == 2
    assert events[-1].bytes_done == 9 << 20


MEMORY = """
import sys
from pathlib import Path
from pytupli.storage import TupliAPIClient
client = TupliAPIClient()
client.list_roles()
client.load_artifact(client.store_artifact(b"warm", {"name": "a"}).id)
def peak():
    # Not `ru_maxrss`, which knows of the process that this one was forked from.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
before = peak()
item = client.store_artifact(Path(sys.argv[1]), {"name": "large"})
client.download_artifact(item.id, sys.argv[2])
client.delete_artifact(item.id)
print((peak() - before) // 1024)
# In memory, it is there once.
content = b"x" * (32 << 20)
before = peak()
item = client.store_artifact(memoryview(content), {"name": "held"})
del content
assert len(client.load_artifact(item.id)) == 32 << 20
print((peak() - before) // 1024)
"""


def test_files_do_not_come_into_memory(
    client: TupliAPIClient, keys: Keyring, tmp_path: Path
) -> None:
    shared = FileKeyring()
    shared.path = tmp_path / "keyring.json"
    shared._write({**keys.entries, "pytupli/access_token": token(seconds=36000)})
    content, back = tmp_path / "content", tmp_path / "back"
    block = os.urandom(1 << 20)
    with content.open("wb") as file:
        for number in range(MIB):
            file.write(number.to_bytes(4, "big") + block[4:])
    environment = {
        **os.environ,
        "PYTHON_KEYRING_BACKEND": "support.tupli.FileKeyring",
        "TUPLI_TEST_KEYRING": str(shared.path),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SELENITE_TIMEOUT": "280",
    }
    command = [sys.executable, "-c", MEMORY, str(content), str(back)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    as_file, as_bytes = (int(line) for line in done.stdout.split())
    print(f"{MIB} MiB as a file: {as_file} MiB more; 32 MiB as bytes: {as_bytes}")
    assert as_file < 64
    assert as_bytes < 16
    subprocess.run(["cmp", str(content), str(back)], check=True)


def test_the_service_is_the_real_one(service: Tupli) -> None:
    assert "Application startup complete" in service.log.read_text()
