"""The original client and ours leave the same behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.pangea import Pangea, running

SCRIPT = """
import sys
from pangea_api import *
from pangea_api.contrib.tagging import Tag
import pangea_api
url, folder, wanted = sys.argv[1:]
assert ("selenite" in pangea_api.__file__) == (wanted == "ours"), pangea_api.__file__
knex = Knex(url)
User(knex, "owner@example.org", "Foobar22zz").register()
org = Organization(knex, "Org").create()
bucket = knex.post("s3_buckets", json={
    "name": "bkt", "endpoint_url": "https://s3.example.org", "organization": org.uuid})["uuid"]
library = org.sample_group("Lib", metadata={"a": 1}, is_library=True).create()
library.bucket = bucket
library.description = "text"
library.save()
plain = org.sample_group("Plain").idem()
assert [group.name for group in org.get_sample_groups()] == ["Lib", "Plain"]
for index in range(3):
    sample = library.sample(f"sample {index}", metadata={"index": index, "list": [1, None]}).idem()
sample.metadata = {"other": True}
sample.save()
sample = Sample(knex, library, "sample 1").get()
assert [one.name for one in library.get_samples()] == [f"sample {index}" for index in range(3)]
result = sample.analysis_result("tool::x", replicate="r1", metadata={"m": 2}).create()
result.description = "changed"
result.save()
assert result.exists()
field = result.field("json", {"a": [1, 2, {"b": None}]}).create()
field.stored_data = {"b": 2}
field.save()
result.field("small").idem().upload_file(folder + "/small file.txt")
large = result.field("large").idem()
large.upload_file(folder + "/large.bin", multipart_thresh=100, chunk_size=300)
group_result = library.analysis_result("group tool", replicate="g").idem()
group_result.field("table", {"x": "y"}).idem()
again = sample.analysis_result("tool::x", replicate="r1").get()
assert sorted(one.name for one in again.get_fields()) == ["json", "large", "small"]
small = again.field("small").get()
assert open(small.download_file()).read() == "small content"
large = again.field("large").get()
assert open(large.download_file(), "rb").read() == bytes(range(250)) * 4
print(small.get_blob_filename(), small.get_referenced_filename())
tag = Tag(knex, "tag", payload="p").idem()
tag(sample)
tag(library)
pipeline = Pipeline(knex, "pipe")
pipeline.description = "d"
pipeline.create()
print([str(one).replace(str(one.uuid), "UUID") for one in (sample, library, result, tag, pipeline)])
print(library.get_module_counts())
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The original, from the package index unless it is there."""
    given = os.environ.get("SELENITE_ORIGINAL_CLIENT")
    if given and Path(given, "pangea_api").is_dir():
        return Path(given)
    folder = tmp_path_factory.mktemp("original")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--target", str(folder), "pangea_api==0.9.24"], check=True)
    return folder


def state(service: Pangea) -> Any:
    """What the service keeps, without what is another thing each time."""
    assert service.store is not None
    kept = {
        place: [
            {key: value for key, value in one.items() if key[0] != "_" and key[-3:] != "_at"}
            for one in table.values()
        ]
        for place, table in service.tables.items()
    }
    uuids: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return uuids.setdefault(found[0], f"uuid {len(uuids)}")

    pattern = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    text = re.sub(pattern, named, json.dumps([kept, service.tagged], indent=1, sort_keys=True))
    return text, {place: content.hex() for place, content in service.store.objects.items()}


def test_the_same_script_leaves_the_same(original: Path, tmp_path: Path) -> None:
    (tmp_path / "small file.txt").write_text("small content")
    (tmp_path / "large.bin").write_bytes(bytes(range(250)) * 4)
    found = {}
    for whose, path in (("ours", None), ("theirs", str(original))):
        folder = tmp_path / whose
        folder.mkdir()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        environment |= {"PYTHONPATH": path} if path else {}
        with running() as service:
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                SCRIPT,
                service.url,
                str(tmp_path),
                whose,
            ]
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, cwd=folder
            )
            assert (done.returncode, done.stderr) == (0, ""), (done.stderr, service.seen[-3:])
            found[whose] = (done.stdout, *state(service))
    ours, theirs = found["ours"], found["theirs"]
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    assert ours[2] == theirs[2]
