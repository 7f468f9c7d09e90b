"""A storage in files."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pytupli.schema import (
    ArtifactMetadata,
    BaseFilter,
    BenchmarkMetadata,
    BenchmarkQuery,
    Episode,
    EpisodeItem,
    FilterAND,
    FilterEQ,
    FilterGEQ,
    FilterGT,
    FilterIN,
    FilterLEQ,
    FilterLT,
    FilterNE,
    FilterOR,
    RLTuple,
)
from pytupli.storage import FileStorage, TupliStorage, TupliStorageError
from support.service import wait_until


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "deep" / "store")


def query(name: str = "a", **more: Any) -> BenchmarkQuery:
    return BenchmarkQuery(
        hash=f"hash of {name}", serialized="{}", metadata=BenchmarkMetadata(name=name, **more)
    )


def episode(benchmark: str, count: int = 1, **metadata: Any) -> Episode:
    steps = [RLTuple(state=[number], action=1, reward=0.5) for number in range(count)]
    return Episode(benchmark_id=benchmark, metadata=metadata, tuples=steps)


def files(storage: FileStorage) -> list[str]:
    return sorted(
        str(path.relative_to(storage.storage_dir))
        for path in storage.storage_dir.rglob("*")
        if path.is_file()
    )


def test_layout(storage: FileStorage) -> None:
    assert [*storage.list_benchmarks(), *storage.list_artifacts(), *storage.list_episodes()] == []
    benchmark = storage.store_benchmark(query("é"))
    artifact = storage.store_artifact(b"content", ArtifactMetadata(name="b"))
    recorded = storage.record_episode(episode(benchmark.id))
    assert files(storage) == [
        f"artifacts/{artifact.id}",
        f"artifacts/{artifact.id}.metadata.json",
        f"benchmarks/{benchmark.id}.json",
        f"episodes/{recorded.id}.json",
    ]
    text = (storage.storage_dir / f"benchmarks/{benchmark.id}.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2)
    assert list(json.loads(text)) == [
        *("id", "created_by", "published_in", "created_at", "hash", "metadata", "serialized")
    ]
    assert (benchmark.created_by, benchmark.published_in) == ("local_storage", ["local_storage"])
    assert "tuples" in json.loads((storage.storage_dir / files(storage)[-1]).read_text())


def test_round_trip(storage: FileStorage) -> None:
    benchmark = storage.store_benchmark(query())
    assert storage.load_benchmark(benchmark.id).serialized == "{}"
    assert storage.store_benchmark(query(description="other")) == benchmark
    artifact = storage.store_artifact(b"content", ArtifactMetadata(name="b"))
    assert storage.load_artifact(uri=artifact.id, anything=1) == b"content"
    assert storage.store_artifact(b"content", ArtifactMetadata(name="c")) == artifact
    recorded = storage.record_episode(episode(benchmark.id, 3))
    assert storage.list_episodes() == [recorded]
    (whole,) = cast("list[EpisodeItem]", storage.list_episodes(include_tuples=True))
    assert [step.state for step in whole.tuples] == [[0], [1], [2]]
    for publish in (storage.publish_benchmark, storage.publish_artifact, storage.publish_episode):
        publish("any")
    storage.unpublish_benchmark("any", "global")
    storage.unpublish_artifact("any", "global")
    storage.unpublish_episode("any", "global")
    storage.delete_episode(recorded.id)
    storage.delete_artifact(artifact.id)
    storage.delete_benchmark(benchmark.id)
    assert files(storage) == []


def test_an_artifact_that_cannot_be_deleted_stays_as_it_is(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = storage.store_artifact(b"content", ArtifactMetadata(name="a"))
    content = storage.storage_dir / "artifacts" / artifact.id
    unlink = os.unlink

    def failing(path: str) -> None:
        if path == str(content):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", failing)
        with pytest.raises(TupliStorageError, match=f"delete artifact {artifact.id}: .*{content}"):
            storage.delete_artifact(artifact.id)
    assert storage.list_artifacts() == [artifact]
    assert storage.load_artifact(artifact.id) == b"content"
    storage.delete_artifact(artifact.id)
    assert files(storage) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytearray(b"abc"),
        memoryview(b"abcdef")[::2],
        memoryview(bytes(16)).cast("d"),
        "tést",
        io.BytesIO(b"abc"),
        io.StringIO("text"),
    ],
)
def test_artifacts_of_any_kind(storage: FileStorage, content: Any) -> None:
    expected = content.encode() if isinstance(content, str) else content
    expected = content.getvalue() if hasattr(content, "getvalue") else expected
    expected = expected.encode() if isinstance(expected, str) else bytes(memoryview(expected))
    item = storage.store_artifact(content, ArtifactMetadata(name="a"))
    assert storage.load_artifact(item.id) == expected


def test_artifacts_of_files(storage: FileStorage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3 << 20))
    item = storage.store_artifact(file, {"name": "a"})
    assert storage.load_artifact(item.id) == file.read_bytes()
    with file.open("rb") as stream:
        stream.seek(5)
        rest = storage.store_artifact(stream, {"name": "b"})
    assert storage.load_artifact(rest.id) == file.read_bytes()[5:]
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as sink:
        sink.write(b"piped")
        sink.close()
        piped = storage.store_artifact(source, {"name": "c"})
    assert storage.load_artifact(piped.id) == b"piped"


@pytest.mark.parametrize("metadata", [None, "name", 3])
def test_artifacts_need_metadata(storage: FileStorage, metadata: Any) -> None:
    with pytest.raises(TypeError, match="needs metadata"):
        storage.store_artifact(b"", metadata)


def test_artifacts_are_some_content(storage: FileStorage) -> None:
    with pytest.raises(TypeError, match=r"^an artifact is bytes, .* not int$"):
        storage.store_artifact(3, {"name": "a"})  # type: ignore[arg-type]
    assert files(storage) == []


def test_further_fields_of_metadata_are_kept(storage: FileStorage) -> None:
    class More(ArtifactMetadata):
        more: int

    item = storage.store_artifact(b"a", More(name="a", more=3))
    record = json.loads((storage.storage_dir / f"artifacts/{item.id}.metadata.json").read_text())
    assert record["more"] == 3
    assert storage.list_artifacts(FilterEQ(key="more", value=3)) == [item]


BAD = [
    "../outside",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "a\0b",
    "/etc/passwd",
    ".hidden",
    None,
    "x" * 300,
]


@pytest.mark.parametrize("uri", BAD)
def test_no_id_leads_out_of_the_store(storage: FileStorage, uri: Any) -> None:
    outside = storage.storage_dir / "outside"
    for name in ("", ".json", ".metadata.json"):
        Path(f"{outside}{name}").write_text("{}")
    storage.store_benchmark(query())
    storage.store_artifact(b"a", ArtifactMetadata(name="a"))
    storage.record_episode(episode(storage.list_benchmarks()[0].id))
    before = files(storage)
    for kind, calls in {
        "Benchmark": (storage.load_benchmark, storage.delete_benchmark),
        "Artifact": (storage.load_artifact, storage.delete_artifact),
        "Episode": (storage.delete_episode,),
    }.items():
        for call in calls:
            with pytest.raises(TupliStorageError) as raised:
                call(uri)  # type: ignore[operator]
            assert str(raised.value) == f"{kind} with ID {uri} does not exist."
    if uri is not None:
        with pytest.raises(TupliStorageError) as raised:
            storage.record_episode(episode(uri))
        message = f"Referenced benchmark with ID {uri} does not exist"
        assert str(raised.value) == message
    assert files(storage) == before


def test_descriptions_are_no_artifacts(storage: FileStorage) -> None:
    item = storage.store_artifact(b"a", ArtifactMetadata(name="a"))
    with pytest.raises(TupliStorageError, match="does not exist"):
        storage.load_artifact(f"{item.id}.metadata.json")


def test_other_content_is_not_handed_out(storage: FileStorage) -> None:
    item = storage.store_artifact(b"a", ArtifactMetadata(name="a"))
    (storage.storage_dir / "artifacts" / item.id).write_bytes(b"b")
    with pytest.raises(TupliStorageError, match=f"^Failed to load artifact {item.id}: .* hash"):
        storage.load_artifact(item.id)
    (storage.storage_dir / f"artifacts/{item.id}.metadata.json").unlink()
    assert storage.load_artifact(item.id) == b"b"


def test_damaged_records(storage: FileStorage) -> None:
    item = storage.store_benchmark(query())
    path = storage.storage_dir / f"benchmarks/{item.id}.json"
    path.write_text("{")
    with pytest.raises(TupliStorageError, match=f"^Failed to parse JSON from benchmark {item.id}"):
        storage.load_benchmark(item.id)
    path.write_text("{}")
    with pytest.raises(TupliStorageError, match=f"^Invalid benchmark data for {item.id}: "):
        storage.load_benchmark(item.id)
    (storage.storage_dir / "benchmarks/list.json").write_text("[]")
    (storage.storage_dir / "benchmarks/.part.json").write_text("{}")
    assert storage.list_benchmarks() == []
    # What cannot be used stands in nobody's way.
    path.write_text(json.dumps({"hash": query().hash}))
    assert storage.store_benchmark(query()).id != item.id


def test_episodes_need_steps_that_can_be_written(storage: FileStorage) -> None:
    item = storage.store_benchmark(query())
    with pytest.raises(TupliStorageError, match="no tuples"):
        storage.record_episode(episode(item.id, 0))
    odd = episode(item.id)
    odd.tuples[0].state = object()
    with pytest.raises(TupliStorageError, match=r"^Failed to serialize episode: "):
        storage.record_episode(odd)
    assert storage.list_episodes() == []


def test_a_failed_write_leaves_nothing(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    storage.store_benchmark(query())
    before = files(storage)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(TupliStorageError, match=r"^Failed to store benchmark: .*No space"):
        storage.store_benchmark(query("b"))
    with pytest.raises(TupliStorageError, match=r"^Failed to store artifact: .*No space"):
        storage.store_artifact(b"a", ArtifactMetadata(name="a"))
    assert files(storage) == before


def test_nothing_is_overwritten(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Same:
        hex = "same"

    monkeypatch.setattr("uuid.uuid4", Same)
    storage.store_benchmark(query())
    with pytest.raises(TupliStorageError, match=r"^The file .*same\.json already exists and will"):
        storage.store_benchmark(query("b"))


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TupliStorageError, match=r"^Failed to create storage directory: "):
        FileStorage(str(tmp_path / "file" / "store"))


def test_threads_store_the_same_content_once(storage: FileStorage) -> None:
    found: list[str] = []

    def store() -> None:
        found.append(storage.store_artifact(b"same", {"name": "a"}).id)
        found.append(storage.store_benchmark(query()).id)

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 2
    assert len(files(storage)) == 3


def test_processes_store_the_same_content_once(storage: FileStorage) -> None:
    code = (
        "import sys\nfrom pytupli.storage import FileStorage\n"
        "print(FileStorage(sys.argv[1]).store_artifact(b'same', {'name': 'a'}).id)"
    )
    place = os.fspath(storage.storage_dir)
    with storage._storing():
        processes = [
            subprocess.Popen([sys.executable, "-c", code, place], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        # Whoever gets on is done with its part at once.
        wait_until(
            lambda: len(list(storage.storage_dir.rglob(".*.part"))) == 2, "both have come so far"
        )
        assert storage.list_artifacts() == []
    found = {process.communicate()[0].strip() for process in processes}
    assert found == {item.id for item in storage.list_artifacts()}
    assert len(found) == 1


RECORD = {"a": 1, "b": {"c": "x"}, "list": [1, 2], "none": None}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (FilterEQ(key="a", value=1), True),
        (FilterEQ(key="b.c", value="x"), True),
        (FilterEQ(key="list", value=1), False),
        (FilterNE(key="a", value=2), True),
        (FilterNE(key="missing", value=2), False),
        (FilterGT(key="a", value=0), True),
        (FilterGT(key="a", value=1), False),
        (FilterGEQ(key="a", value=1), True),
        (FilterLT(key="a", value=1), False),
        (FilterLEQ(key="a", value=1), True),
        (FilterIN(key="a", value=[1, 2]), True),
        (FilterIN(key="a", value=[2]), False),
        (FilterIN(key="b.c", value="xyz"), False),
        (FilterEQ(key="a", value=1) & FilterEQ(key="b.c", value="y"), False),
        (FilterEQ(key="a", value=1) | FilterEQ(key="b.c", value="y"), True),
        (FilterAND(filters=[]), True),
        (FilterOR(filters=[]), False),
        (BaseFilter(), False),
        ({"type": "EQ", "key": "a", "value": 1}, True),
    ],
)
def test_filters(storage: FileStorage, wanted: Any, expected: bool) -> None:
    assert storage.convert_filter_to_function(wanted)(RECORD) is expected


def test_what_cannot_be_compared_is_left_out(storage: FileStorage) -> None:
    one = storage.store_benchmark(query("a", version="1"))
    two = storage.store_benchmark(query("b"))
    assert storage.list_benchmarks(FilterGT(key="metadata.version", value="0")) == [one]
    assert storage.list_benchmarks(FilterGT(key="metadata.version", value=0)) == []
    assert storage.list_benchmarks(filter={"type": "EQ", "key": "id", "value": two.id}) == [two]
    nested = FilterEQ(key="id", value=one.id) & FilterEQ(key="metadata.name", value="a")
    assert storage.list_benchmarks(nested) == [one]


def test_lost_fields_are_named(storage: FileStorage, caplog: pytest.LogCaptureFixture) -> None:
    class More(BenchmarkMetadata):
        more: int

    class Step(RLTuple):
        further: int

    item = storage.store_benchmark(
        BenchmarkQuery(hash="h", serialized="", metadata=More(name="a", more=1))
    )
    step = Step(state=1, action=1, reward=1, further=2)
    storage.record_episode(Episode(benchmark_id=item.id, metadata={}, tuples=[step, step]))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "not kept, since no BenchmarkMetadata has it: more",
        "not kept, since no RLTuple has it: further",
    ]


def test_the_base_stores_nothing() -> None:
    kind: Any = TupliStorage
    with pytest.raises(NotImplementedError):
        kind()
    plain: Any = object.__new__(kind)
    calls: list[Callable[[], object]] = [
        lambda: plain.store_benchmark(None),
        lambda: plain.load_benchmark(""),
        lambda: plain.list_benchmarks(None),
        lambda: plain.delete_benchmark(""),
        lambda: plain.store_artifact(b"", None),
        lambda: plain.load_artifact(""),
        lambda: plain.list_artifacts(None),
        lambda: plain.delete_artifact(""),
        lambda: plain.record_episode(None),
        lambda: plain.publish_episode(""),
        lambda: plain.list_episodes(),
        lambda: plain.delete_episode(""),
    ]
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
