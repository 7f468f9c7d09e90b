"""Files of fields: they come and go whole, or not at all."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from pangea_api import (
    Knex,
    PangeaForbiddenError,
    PangeaInternalError,
    PangeaNotFoundError,
    PangeaOtherError,
    RemoteObjectError,
    Sample,
    SampleAnalysisResultField,
    SampleGroup,
    _local,
)
from support.pangea import Answer, Pangea, Store, cut_after, s3_error

MIB = 1 << 20
PART = 10311680


@pytest.fixture
def store(service: Pangea) -> Store:
    assert service.store is not None
    return service.store


@pytest.fixture
def field(sample: Sample) -> SampleAnalysisResultField:
    made: SampleAnalysisResultField = sample.analysis_result("m").field("reads").idem()
    return made


def write(path: Path, size: int) -> str:
    """Write a file no two blocks of which are the same, and give its digest."""
    digest = hashlib.sha256()
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for index in range(-(-size // MIB)):
            piece = (index.to_bytes(8, "big") + block[8:])[: size - index * MIB]
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def part_of(path: str) -> int:
    return int((re.findall(r"partNumber=(\d+)", path) or ["0"])[0])


@pytest.mark.parametrize("size", [0, 1, 5, 70000])
def test_a_small_file_goes_up_and_comes_down(
    field: SampleAnalysisResultField, tmp_path: Path, size: int
) -> None:
    path = tmp_path / 'größe "a" #1.txt'
    digest = write(path, size)
    assert field.upload_file(str(path)) is field
    assert field.stored_data["uri"].endswith(path.name)
    found = field.download_file(str(tmp_path / "down"))
    assert found == str(tmp_path / "down")
    assert hashlib.sha256(Path(found).read_bytes()).hexdigest() == digest
    mask = os.umask(0)
    os.umask(mask)
    assert Path(found).stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("size", [0, 1, 29, 30, 31, 300])
def test_parts_are_as_many_as_are_needed(
    field: SampleAnalysisResultField, store: Store, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "data"
    digest = write(path, size)
    lines: list[str] = []
    field.upload_file(str(path), multipart_thresh=0, chunk_size=30, logger=lines.append)
    count = max(1, -(-size // 30))
    assert lines[0] == f'[INFO] Starting upload for "{path}"'
    assert sorted(lines[1:-1]) == sorted(
        f'[INFO] Uploaded part {index + 1} of {count} for "{path}"' for index in range(count)
    )
    assert lines[-1] == f'[INFO] Finished Upload for "{path}"'
    assert hashlib.sha256(Path(field.download_file()).read_bytes()).hexdigest() == digest
    assert not any("Authorization" in headers for _, _, headers in store.seen)


def test_a_file_of_1001_parts(field: SampleAnalysisResultField, tmp_path: Path) -> None:
    path = tmp_path / "data"
    digest = write(path, 1001 * 7 - 3)
    field.upload_large_file(str(path), path.stat().st_size, chunk_size=7)
    assert hashlib.sha256(Path(field.download_file()).read_bytes()).hexdigest() == digest


UPLOAD = """
import sys
from pathlib import Path
import selenite._core
from pangea_api import Knex
from pangea_api.blob_constructors import sample_ar_from_uuid
url, token, uuid, path = sys.argv[1:]
knex = Knex(url)
knex.add_auth_token(token)
field = sample_ar_from_uuid(knex, uuid).field("reads").get()
def peak():
    # Not `ru_maxrss`, which knows of the process that this one was forked from.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
before = peak()
field.upload_file(path)
field.download_file(path + ".down")
print(peak() - before)
"""


def test_a_large_file_survives_what_goes_wrong(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    digest = write(path, 300 * MIB)
    tried: dict[int, int] = {}
    lock, is_tried_again = threading.Lock(), threading.Event()

    def stall(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        is_tried_again.wait(60)

    def fault(method: str, target: str, body: bytes) -> Any:
        number = part_of(target)
        with lock:
            tried[number] = tried.get(number, 0) + 1
            count = tried[number]
        if number == 5 and count == 2:
            is_tried_again.set()
        if method != "PUT":
            cut = method == "GET" and number == 0 and "Range" not in str(store.seen[-1][2])
            return cut_after(100 * MIB) if cut and count < 3 else None
        if number == 3 and count <= 2:
            return s3_error(500, "InternalError")
        if number == 5 and count == 1:
            return stall
        if number == 7 and count == 1:
            return s3_error(400, "RequestTimeout")
        if number == 9 and count == 1:
            return s3_error(403, "AccessDenied")
        if number == 11 and count == 1:
            return Answer(200, b"", "text/html")  # its tag is lost
        return None

    store.fault = fault
    arguments = [service.url, str(field.knex.auth), str(field.parent.uuid), str(path)]
    done = subprocess.run(
        [sys.executable, "-c", UPLOAD, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "SELENITE_TIMEOUT": "10", "SELENITE_JOBS": "4"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "data.down").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    # Each fault costs the part that it was of, and no other.
    parts = -(-300 * MIB // PART)
    expected = {number: 1 for number in range(1, parts + 1)} | {3: 3, 5: 2, 7: 2, 9: 2, 11: 2}
    assert {number: count for number, count in tried.items() if number} == expected
    assert service.count("POST", "/upload_s3") == 1
    print(f"{done.stdout.strip()} KiB more memory")
    # Kilobytes: what is read ahead of four parts, not the parts.
    assert int(done.stdout) < 4 * PART / 1024


def test_urls_that_have_expired_are_those_of_a_whole_upload(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 100)
    first: list[str] = []

    def fault(method: str, target: str, body: bytes) -> Answer | None:
        upload = (re.findall(r"uploadId=(\w+)", target) or [""])[0]
        first.append(upload)
        is_over = part_of(target) == 2 and upload == first[0]
        return s3_error(403, "Request has expired") if is_over else None

    store.fault = fault
    field.upload_large_file(str(path), 100, chunk_size=30)
    assert service.count("POST", "/upload_s3") == 2
    assert sum(upload == first[0] for upload in first) <= 4
    store.fault = None
    assert Path(field.download_file()).read_bytes() == path.read_bytes()


def test_nothing_is_completed_that_is_not_whole(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 100)
    for status, code, error in (
        (500, "InternalError", PangeaInternalError),
        (404, "NoSuchUpload", PangeaNotFoundError),
        (403, "AccessDenied", PangeaForbiddenError),
    ):

        def fault(
            method: str, target: str, body: bytes, status: int = status, code: str = code
        ) -> Any:
            return s3_error(status, code) if part_of(target) == 2 else None

        store.fault = fault
        lines: list[str] = []
        with pytest.raises(error, match=code) as caught:
            field.upload_large_file(str(path), 100, chunk_size=30, logger=lines.append)
        assert "Signature" not in str(caught.value)
        warnings = [line for line in lines if line.startswith("[WARN]")]
        if status == 500:
            text = "[WARN] Upload for part 2 failed. Attempt {}"
            assert warnings == [text.format(number) for number in (1, 2, 3)]
        assert service.count("POST", "complete_upload_s3") == 0
        assert store.objects == {}


def test_parts_without_their_tags_are_not_taken(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 100)
    for tag, said in (("", "nothing"), ('"' + "0" * 32 + '"', "0000")):
        store.fault = lambda method, target, body, tag=tag: (
            Answer(200, b"", "text/html", ETag=tag) if part_of(target) == 2 else None
        )
        with pytest.raises(RemoteObjectError, match=f"the store says .*{said}.* of a part"):
            field.upload_large_file(str(path), 100, chunk_size=30)
    assert service.count("POST", "complete_upload_s3") == 0


def test_a_file_that_changes_is_not_completed(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 100)

    def fault(method: str, target: str, body: bytes) -> None:
        if part_of(target) == 2:
            path.write_bytes(b"x" * 100)

    store.fault = fault
    with pytest.raises(RemoteObjectError, match="was changed while it was uploaded"):
        field.upload_large_file(str(path), 100, chunk_size=30)
    assert service.count("POST", "complete_upload_s3") == 0
    with pytest.raises(RemoteObjectError, match="has 100 bytes, not 99"):
        field.upload_large_file(str(path), 99, chunk_size=30)


def test_failures_that_are_said_by_silence(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 100)
    store.refuses = True
    with pytest.raises(PangeaInternalError, match="could not start the upload at S3"):
        field.upload_large_file(str(path), 100)
    store.refuses = False

    def fault(method: str, target: str) -> Answer | None:
        return Answer(200, None, None) if "complete_upload" in target else None

    service.fault = fault
    with pytest.raises(PangeaInternalError, match="could not complete the upload at S3"):
        field.upload_large_file(str(path), 100)


def test_small_uploads_are_refused_and_tried_again(
    store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 10)
    answers = [s3_error(503, "SlowDown"), s3_error(403, "AccessDenied"), None]
    store.fault = lambda method, *_: answers.pop(0) if method == "POST" else None
    field.upload_small_file(str(path))
    store.fault = lambda method, *_: s3_error(400, "EntityTooLarge") if method == "POST" else None
    with pytest.raises(PangeaOtherError, match="EntityTooLarge"):
        field.upload_small_file(str(path))


def test_twins_are_told(sample: Sample, tmp_path: Path) -> None:
    path = tmp_path / "data"
    write(path, 10)
    sample.analysis_result("m").field("a").idem().upload_file(str(path))
    with pytest.warns(UserWarning, match="is the file of field a of m, too"):
        sample.analysis_result("m").field("b").idem().upload_file(str(path))


def test_a_download_goes_on_where_it_broke(
    store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 3 * MIB)
    field.upload_file(str(path))
    store.seen.clear()
    breaks = [1_000_000, 500_000, None]

    def fault(method: str, target: str, body: bytes) -> Any:
        left = breaks.pop(0)
        return None if left is None else cut_after(left)

    store.fault = fault
    assert Path(field.download_file()).read_bytes() == path.read_bytes()
    asked = [headers.get("Range") for _, _, headers in store.seen]
    starts = [int((re.findall(r"\d+", str(one)) or ["0"])[0]) for one in asked]
    assert len(starts) == 3
    assert starts[0] == 0
    assert 900_000 < starts[1] <= 1_000_000 < starts[2] <= 1_500_000


@pytest.mark.parametrize("way", ["core", "requests"])
def test_a_download_that_could_be_mixed_begins_anew(
    way: str, store: Store, field: SampleAnalysisResultField, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a store that does not say which file it gives, no rest is taken."""
    if way == "requests":
        monkeypatch.setattr("selenite._rest.is_replaced", lambda: True)
    old, new = b"a" * 3 * MIB, b"b" * 3 * MIB
    field.stored_data = {"__type__": "sra", "url": f"{store.url}/bkt/x"}
    for mark, starts in [({}, [0, 0]), ({"Last-Modified": "then"}, [0, MIB])]:
        store.seen.clear()
        answers = [old, new]

        def fault(
            method: str, target: str, body: bytes, answers: Any = answers, mark: Any = mark
        ) -> Any:
            asked = store.seen[-1][2].get("Range")
            content = answers.pop(0)
            if asked is None:
                answer = Answer(200, content, "text/plain", **mark)
            else:
                start = int(re.findall(r"\d+", asked)[0])
                where = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                answer = Answer(206, content[start:], "text/plain", **where, **mark)
            return (lambda handler, _: cut_after(MIB)(handler, answer)) if answers else answer

        store.fault = fault
        found = Path(field.download_file(cache=False)).read_bytes()
        asked = [headers.get("Range") for _, _, headers in store.seen]
        assert [int((re.findall(r"\d+", str(one)) or ["0"])[0]) > 0 for one in asked] == [
            start > 0 for start in starts
        ]
        assert mark or found == new


def test_a_bad_download_leaves_nothing(
    store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path, target = tmp_path / "data", tmp_path / "down"
    target.mkdir()
    write(path, 1000)
    field.upload_file(str(path))
    place = next(iter(store.objects))
    (target / "kept").write_text("before")

    def damage(method: str, target: str, body: bytes) -> Answer:
        return Answer(200, b"x" * 1000, "text/html", ETag='"' + "0" * 32 + '"')

    store.fault = damage
    with pytest.raises(RemoteObjectError, match="another MD5 digest"):
        field.download_file(str(target / "kept"))
    store.fault = lambda *_: cut_after(0)
    with pytest.raises(requests.exceptions.RequestException):
        field.download_file(str(target / "kept"))
    store.fault = None
    del store.objects[place]
    with pytest.raises(PangeaNotFoundError, match="registered, but its upload never finished"):
        field.download_file(str(target / "kept"))
    assert [one.name for one in target.iterdir()] == ["kept"]
    assert (target / "kept").read_text() == "before"


def test_nothing_is_completed_by_a_process_that_is_ended(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    """Killed, or interrupted: then it does not wait for parts that are on their way."""
    path, end = tmp_path / "data", threading.Event()
    write(path, 11 * MIB)
    kept = sorted(tmp_path.iterdir())
    for number in (signal.SIGKILL, signal.SIGINT):
        began = threading.Event()

        def stall(method: str, target: str, body: bytes, began: threading.Event = began) -> None:
            if part_of(target) == 2:
                began.set()
                end.wait(60)

        store.fault = stall
        arguments = [service.url, str(field.knex.auth), str(field.parent.uuid), str(path)]
        with subprocess.Popen(
            [sys.executable, "-c", UPLOAD, *arguments], stderr=subprocess.PIPE, text=True
        ) as process:
            assert began.wait(30)
            process.send_signal(number)
            # The store says nothing before `end`.
            _, said = process.communicate(timeout=30)
        assert process.returncode == (-number if number == signal.SIGKILL else -signal.SIGINT)
        assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)
    end.set()
    assert service.count("POST", "complete_upload_s3") == 0
    assert store.objects == {}
    assert sorted(tmp_path.iterdir()) == kept


DOWNLOAD = UPLOAD.replace("field.upload_file(path)\n", "print(flush=True)\n")


def test_nothing_stays_of_a_process_that_is_killed(
    service: Pangea, store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path, down = tmp_path / "data", tmp_path / "down"
    down.mkdir()
    write(path, 8 * MIB)
    field.upload_file(str(path))
    began = threading.Event()

    def stall(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n" + b"x" * 5 * MIB)
        began.set()
        time.sleep(1)

    store.fault = lambda *_: stall
    arguments = [service.url, str(field.knex.auth), str(field.parent.uuid), str(down / "data")]
    with subprocess.Popen([sys.executable, "-c", DOWNLOAD, *arguments], stdout=-1) as process:
        assert began.wait(30)
        process.send_signal(signal.SIGKILL)
    assert list(down.iterdir()) == []


def test_links_that_have_expired_are_asked_for_again(
    store: Store, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 1000)
    field.upload_file(str(path))
    old = field.stored_data["presigned_url"]
    store.fault = lambda method, target, _: s3_error(403, "Expired") if target in old else None
    assert Path(field.download_file()).read_bytes() == path.read_bytes()
    store.fault = lambda *_: s3_error(403, "AccessDenied")
    with pytest.raises(PangeaForbiddenError, match="AccessDenied"):
        field.download_file(cache=False)


def test_what_is_remembered_and_removed(field: SampleAnalysisResultField, tmp_path: Path) -> None:
    path = tmp_path / "data"
    write(path, 100)
    field.upload_file(str(path))
    first = field.download_file()
    assert field.download_file() == first
    named = field.download_file(str(tmp_path / "named"))
    assert named == str(tmp_path / "named")
    other = field.download_file(cache=False)
    assert len({first, named, other}) == 3
    field.__class__(field.knex, field.parent, "other")
    del field
    gc.collect()
    assert (Path(named).exists(), Path(first).exists(), Path(other).exists()) == (True, True, True)


def test_temporary_files_go_with_their_object(sample: Sample, tmp_path: Path) -> None:
    path = tmp_path / "data"
    write(path, 100)
    field = sample.analysis_result("m").field("f").idem().upload_file(str(path))
    temporary, named = field.download_file(), field.download_file(str(tmp_path / "named"))
    folder = Path(temporary).parent
    assert folder.stat().st_mode & 0o777 == 0o700, "for nobody else to read"
    del field
    gc.collect()
    assert (folder.exists(), Path(named).exists()) == (False, True)


def test_links_are_not_written_back(
    field: SampleAnalysisResultField, service: Pangea, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    write(path, 100)
    field.upload_file(str(path))
    field.stored_data["note"] = "text"
    field.save()
    kept = service.tables["sample_ar_fields"][str(field.uuid)]["stored_data"]
    assert kept.keys() == {"__type__", "uri", "endpoint_url", "note"}


@pytest.mark.parametrize(
    ("data", "url"),
    [
        ({"__type__": "S3", "uri": "s3://b/k 1", "endpoint_url": "https://h/"}, "https://h/b/k 1"),
        ({"__type__": "sra", "url": "https://h/x"}, "https://h/x"),
        ({"__type__": "ftp", "url": "ftp://h/x"}, "ftp://h/x"),
    ],
)
def test_urls(sample: Sample, data: dict[str, str], url: str) -> None:
    assert sample.analysis_result("m").field("f", data).get_download_url() == url


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "ftp://host/x"])
def test_files_of_this_machine_are_no_downloads(sample: Sample, url: str) -> None:
    with pytest.raises(ValueError, match="cannot be reached by"):
        sample.analysis_result("m").field("f", {"__type__": "sra", "url": url}).download_file()


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("a.fastq.gz", ".fastq.gz"),
        ("https://h/p/a.tar?x=1.zip", ".tar"),
        ("s3://b/../../x.%2F..", ""),
        ("noending", ""),
    ],
)
def test_local_names(library: SampleGroup, name: str, ending: str) -> None:
    field = library.sample("s.1").analysis_result("a::b").field("f.x")
    field.stored_data = {"__type__": "sra", "url": name}
    assert field.get_blob_filename() == "s.1/s-1.a__b.f-x.json"
    assert field.get_referenced_filename() == f"s.1/s-1.a__b.f-x{ending}"


def test_files_of_a_group_are_all_downloaded(library: SampleGroup, tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    write(path, 100)
    for name in ("a", "c:\\b"):
        result = library.sample(name).idem().analysis_result("m").idem()
        result.field("file").idem().upload_file(str(path))
        result.field("plain", {"a": 1}).idem()
    paths = library.download_all(str(tmp_path / "target"))
    assert len(paths) == 2
    for one in paths:
        assert Path(one).resolve().is_relative_to((tmp_path / "target").resolve())
        assert Path(one).read_bytes() == path.read_bytes()


def test_data_that_cannot_be_written_leave_what_is_there(tmp_path: Path) -> None:
    field = SampleAnalysisResultField(Knex("https://host"), None, "f")
    name = "ä" * 125 + ".json"
    path = tmp_path / "data" / name
    for data in ({"a": 1}, {"a": [1, object()]}):
        field.stored_data = data
        with contextlib.suppress(TypeError):
            _local.write_blob(field, str(path))
    assert json.loads(path.read_bytes()) == {"a": 1}
    assert os.listdir(path.parent) == [name]


def test_replicates_do_not_replace_one_another(sample: Sample, tmp_path: Path) -> None:
    for replicate in ("v1", "v2"):
        path = tmp_path / f"{replicate}.fastq.gz"
        path.write_text(replicate)
        result = sample.analysis_result("m", replicate=replicate).idem()
        result.field("reads").idem().upload_file(str(path))
    paths = [Path(one) for one in sample.lib.download_all(str(tmp_path / "target"))]
    assert [one.read_text() for one in paths] == ["v1", "v2"]
    assert [one.name for one in paths] == ["S.m.reads.fastq.gz", "S.m.v2.reads.fastq.gz"]


def test_results_whose_names_become_the_same_do_not_replace_one_another(
    sample: Sample, tmp_path: Path
) -> None:
    results = [("a.b", "1"), ("a.b", "2"), ("a-b", "2"), ("a-b", "1")]
    for number, (module, replicate) in enumerate(results):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"{module} {replicate}")
        result = sample.analysis_result(module, replicate=replicate).idem()
        result.field("reads").idem().upload_file(str(path))
    paths = sample.lib.download_all(str(tmp_path / "target"))
    assert len(set(paths)) == 4
    assert {Path(one).read_text() for one in paths} == {" ".join(one) for one in results}


def test_a_download_of_many_ends_when_it_is_interrupted(
    field: SampleAnalysisResultField, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    write(path, 1000)
    field.upload_file(str(path))
    begun = threading.Event()

    def download(field: Any, path: str) -> str:
        if path == "first":
            begun.wait()
            raise KeyboardInterrupt
        begun.set()
        while True:
            field.download_file(path, cache=False)

    monkeypatch.setattr("pangea_api._local.download_field", download)
    places = [(field, "", "first"), (field, "", str(tmp_path / "second"))]
    monkeypatch.setattr("pangea_api._local.placed", lambda *_: iter(places))
    with pytest.raises(KeyboardInterrupt):
        field.parent.parent.lib.download_all(str(tmp_path), jobs=2)


def test_whoever_replaces_requests_sees_contents_too(
    store: Store,
    field: SampleAnalysisResultField,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, seen, send = tmp_path / "data", [], requests.Session.send
    write(path, 100)

    def seeing(self: requests.Session, request: Any, **given: Any) -> requests.Response:
        seen.append((request.method, str(request.url)))
        return send(self, request, **given)

    monkeypatch.setattr(requests.Session, "send", seeing)
    answers = [s3_error(500, "InternalError"), s3_error(400, "BadDigest")]
    store.fault = lambda method, target, _: (
        answers.pop() if part_of(target) == 2 and answers else None
    )
    lines: list[str] = []
    field.upload_large_file(str(path), 100, chunk_size=30, logger=lines.append)
    assert lines[2:5] == [
        *(f"[WARN] Upload for part 2 failed. Attempt {number}" for number in (1, 2)),
        f'[INFO] Uploaded part 2 of 4 for "{path}"',
    ]
    assert sum(method == "PUT" for method, _ in seen) == 4 + 2
    store.fault = lambda *_: cut_after(60)
    with pytest.raises(requests.exceptions.RequestException):
        field.download_file()
    store.fault = None
    assert Path(field.download_file()).read_bytes() == path.read_bytes()
    field.upload_small_file(str(path))
    assert [method for method, url in seen if url == f"{store.url}/bkt"] == ["POST"]


def test_whoever_replaces_requests_sees_all_of_them(tmp_path: Path) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("https://files.example.org/a%20b", body=b"content")
        field = SampleAnalysisResultField(Knex("https://host"), None, "f")
        field.stored_data = {"__type__": "sra", "url": "https://files.example.org/a b"}
        assert Path(field.download_file(str(tmp_path / "x"))).read_bytes() == b"content"
