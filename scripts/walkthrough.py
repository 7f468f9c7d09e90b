"""Walk a directory through the services and print what happens.

    walkthrough.py [DIRECTORY]

Without a directory, one is generated. With SELENITE_GIRDER=$(scripts/girder), it also goes to a
real Girder and back, with SELENITE_TUPLI=$(scripts/tupli) to a real service of PyTupli. The
services, their registries and all copies are temporary.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import girder_client
import gypsum_client as gypsum
import pangea_api
import pangea_api.file_system_cache as cache_module
import pygobbler as pyg
from selenite.testing import GypsumServer

T = TypeVar("T")


def step(what: str, call: Callable[[], T]) -> T:
    """Run one step; print what it was and how long it took."""
    begin = time.perf_counter()
    result = call()
    print(f"{(time.perf_counter() - begin) * 1000:9.1f} ms  {what}")
    return result


def generate(root: Path) -> Path:
    """Make a directory with files of several sizes, an empty one, a link and an empty directory."""
    for number in range(200):
        file = root / f"samples/s{number % 10}/reads {number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"read {number}\n" * number)
    (root / "matrix.bin").write_bytes(os.urandom(1 << 20) * 32)
    (root / "samples" / "latest").symlink_to("s9/reads 199.txt")
    (root / "to do").mkdir()
    return root


def same(first: Path, second: Path, names: list[str]) -> None:
    """Compare files byte by byte."""
    for name in names:
        if (first / name).read_bytes() != (second / name).read_bytes():
            raise SystemExit(f"error: {name} differs")


def gobbler(work: Path, directory: Path) -> None:
    """Walk through a Gobbler's shared directory."""
    _, staging, registry, url = step("start the service", pyg.start_gobbler)
    writer: dict[str, Any] = {"staging": staging, "url": url}
    reader: dict[str, Any] = {"registry": registry, "url": url, "force_remote": True}
    cache = str(work / "cache")
    names = ("demo", "walk", "v1")
    print(f"{'':13}service at {url}, registry in {registry}")

    step("create the project `demo`", lambda: pyg.create_project("demo", **writer))
    step(
        f"upload {directory} as demo/walk/v1",
        lambda: pyg.upload_directory(*names, str(directory), **writer),
    )
    manifest = step("fetch the manifest", lambda: pyg.fetch_manifest(*names, **reader, cache=cache))
    files = [name for name, entry in manifest.items() if entry["md5sum"]]
    size = sum(entry["size"] for entry in manifest.values())
    print(f"{'':13}{len(files)} files, {size / 1e6:.1f} MB")
    listed = step("list it", lambda: pyg.list_files(*names, include_dotdot=False, **reader))
    print(f"{'':13}{len(listed)} paths, such as {', '.join(listed[:3])}")
    fetched = step(
        "fetch it over HTTP into an empty cache",
        lambda: pyg.version_path(*names, **reader, cache=cache),
    )
    step("compare every byte with the original", lambda: same(directory, Path(fetched), files))
    step("fetch it again", lambda: pyg.version_path(*names, **reader, cache=cache))
    step("let the service validate it", lambda: pyg.validate_version(*names, **writer))

    names = ("demo", "walk", "v2")
    step(
        "upload it again, on probation, as demo/walk/v2",
        lambda: pyg.upload_directory(*names, str(directory), probation=True, **writer),
    )
    linked = sum("link" in entry for entry in pyg.fetch_manifest(*names, registry, url).values())
    usage = pyg.fetch_usage("demo", registry, url)
    print(f"{'':13}{linked} links; the project uses {usage / 1e6:.1f} MB")
    step("approve it", lambda: pyg.approve_probation(*names, **writer))
    print(f"{'':13}latest version: {pyg.fetch_latest('demo', 'walk', registry, url)}")

    gone = [{"project": "demo", "asset": "walk", "version": "v1"}]
    changes = step("reroute links away from v1", lambda: pyg.reroute_links(gone, **writer))
    print(f"{'':13}{len(changes)} links rerouted")
    step("remove v1", lambda: pyg.remove_version("demo", "walk", "v1", **writer))
    step("validate v2", lambda: pyg.validate_version(*names, **writer))
    step("remove the project", lambda: pyg.remove_project("demo", **writer))
    step("stop the service", pyg.stop_gobbler)


def gypsum_service(work: Path, directory: Path) -> None:
    """Walk through gypsum's objects, by way of presigned URLs."""
    server = GypsumServer(tokens={"a secret": "alice"}, admins=["alice"])
    step("start the gypsum service", server.start)
    print(f"{'':13}service at {server.url}, registry in {server.registry}")
    gypsum.rest_url(server.url)
    gypsum.cache_directory(str(work / "gypsum-cache"))
    gypsum.set_access_token("a secret", github_url=server.github_url, cache_dir=None)

    step("create the project `demo`", lambda: gypsum.create_project("demo", owners="alice"))
    names = ("demo", "walk", "v1")
    prepared = gypsum.prepare_directory_upload(str(directory), links="auto")
    started = step(
        f"hash {directory} and start its upload",
        lambda: gypsum.start_upload(
            *names, prepared["files"], prepared["links"], directory=str(directory)
        ),
    )
    step("send the files", lambda: gypsum.upload_files(started, directory=str(directory)))
    step("complete the upload", lambda: gypsum.complete_upload(started))
    saved = step("save it into the cache", lambda: gypsum.save_version(*names))
    print(f"{'':13}{len(gypsum.list_files(*names, include_dot=False))} objects")
    step(
        "compare every byte with the original",
        lambda: same(directory, Path(saved), prepared["files"]),
    )
    clone = str(work / "clone")
    step("clone it, as links", lambda: gypsum.clone_version(*names, clone))
    Path(clone, "note of the walk.txt").write_text("new in v2\n")

    names = ("demo", "walk", "v2")
    step(
        "upload the clone and one more file, on probation, as demo/walk/v2",
        lambda: gypsum.upload_directory(clone, *names, probation=True),
    )
    linked = sum("link" in entry for entry in gypsum.fetch_manifest(*names).values())
    print(f"{'':13}{linked} links; the project uses {gypsum.fetch_usage('demo') / 1e6:.1f} MB")
    step("approve it", lambda: gypsum.approve_probation(*names))
    print(f"{'':13}latest version: {gypsum.fetch_latest('demo', 'walk')}")
    step("let bob upload", lambda: gypsum.set_permissions("demo", uploaders=[{"id": "bob"}]))
    step("set the quota", lambda: gypsum.set_quota("demo", baseline=10**10, growth_rate=0))
    database = describe(work / "metadata.sqlite3", *names)
    found = step(
        "search the metadata for `walk AND note`",
        lambda: gypsum.search_metadata_text(database, ["walk", "note"]),
    )
    print(f"{'':13}found {', '.join(row['path'] for row in found)}")
    step("remove the project", lambda: gypsum.remove_project("demo"))
    step("stop the service", server.stop)


def describe(database: Path, project: str, asset: str, version: str) -> str:
    """Make a database of metadata for one file, as the public ones are."""
    path = "note of the walk.txt"
    with sqlite3.connect(database) as connection:
        connection.executescript(
            """
            CREATE TABLE versions (vid INTEGER PRIMARY KEY, project, asset, version, latest);
            CREATE TABLE paths (pid INTEGER PRIMARY KEY, vid INTEGER, path, metadata);
            CREATE TABLE tokens (tid INTEGER PRIMARY KEY, token);
            CREATE TABLE fields (fid INTEGER PRIMARY KEY, field);
            CREATE TABLE links (pid INTEGER, fid INTEGER, tid INTEGER);
            INSERT INTO fields VALUES (1, 'title');
            """
        )
        connection.execute("INSERT INTO versions VALUES (1, ?, ?, ?, 1)", (project, asset, version))
        metadata = json.dumps({"title": path})
        connection.execute("INSERT INTO paths VALUES (1, 1, ?, ?)", (path, metadata))
        for number, token in enumerate(("note", "of", "the", "walk", "txt")):
            connection.execute("INSERT INTO tokens VALUES (?, ?)", (number, token))
            connection.execute("INSERT INTO links VALUES (1, 1, ?)", (number,))
    connection.close()
    return str(database)


def girder(work: Path, directory: Path) -> None:
    """Walk through a real Girder, which `scripts/girder` makes an environment for."""
    server = Path(__file__).parents[1] / "tests" / "support" / "girder_server.py"
    command = [os.environ["SELENITE_GIRDER"], "-P", str(server), "--root", str(work / "girder")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        line = step("start Girder", process.stdout.readline)
        gc = girder_client.GirderClient(apiUrl=json.loads(line)["url"], verbose=False)
        user = step("log in", lambda: gc.authenticate("admin", "password123"))
        folder = gc.createFolder(user["_id"], "walk", parentType="user")["_id"]
        step(f"upload {directory}", lambda: gc.upload(directory, folder))
        again = partial(gc.upload, directory, folder, reuseExisting=True)
        step("upload it again: all of it is there", again)
        copy = work / "girder-copy"
        step("download it", lambda: gc.downloadFolderRecursive(folder, copy))
        names = [str(path.relative_to(directory)) for path in directory.rglob("*")]
        files = [name for name in names if is_plain(directory / name)]
        there = copy / directory.resolve().name
        step("compare every byte with the original", lambda: same(directory, there, files))
        step("remove the folder", lambda: gc.delete(f"folder/{folder}"))
    finally:
        process.kill()
        process.communicate()


def tupli(work: Path) -> None:
    """Walk through a real service of PyTupli, which `scripts/tupli` makes an environment for."""
    from pytupli.schema import BenchmarkMetadata, BenchmarkQuery, Episode, FilterGT, RLTuple
    from pytupli.storage import TupliAPIClient

    # Not the user's own, in which another login may be.
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    server = Path(__file__).parents[1] / "tests" / "support" / "tupli_server.py"
    command = [os.environ["SELENITE_TUPLI"], "-P", str(server), "--secret", "s" * 32]
    command += ["--password", "password123"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=work)
    try:
        assert process.stdout is not None
        url = json.loads(step("start PyTupli's service", process.stdout.readline))["url"]
        client = TupliAPIClient()
        client.set_url(url)
        step("log in", lambda: client.login("admin", "password123"))
        content, copy = work / "content", work / "copy"
        content.write_bytes(os.urandom(1 << 20) * 16)
        item = step("store 16 MiB", lambda: client.store_artifact(content, {"name": "walk"}))
        step("load them into a file", lambda: client.download_artifact(item.id, copy))
        if content.read_bytes() != copy.read_bytes():
            raise SystemExit("error: the artifact differs")
        query = BenchmarkQuery(hash="1f", serialized="{}", metadata=BenchmarkMetadata(name="walk"))
        benchmark = step("store a benchmark", lambda: client.store_benchmark(query))
        steps = [RLTuple(state=[number], action=0, reward=1.0) for number in range(1000)]
        episode = Episode(benchmark_id=benchmark.id, metadata={"total": 1000}, tuples=steps)
        step("record an episode of 1,000 steps", lambda: client.record_episode(episode))
        wanted = FilterGT(key="metadata.total", value=999)
        found = step("find it", lambda: client.list_episodes(wanted, include_tuples=True))
        print(f"{'':13}{len(found)} episode of {found[0].n_tuples} steps")
    finally:
        process.kill()
        process.communicate()


def pangea(work: Path, directory: Path) -> None:
    """Walk through what the tests have for a Pangea: a service and a store in memory."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from support.pangea import running

    cache_module.CACHE_DIR = str(work)
    with running() as service:
        knex = pangea_api.Knex(service.url)
        me = pangea_api.User(knex, "walk@example.org", "Foobar22zz")
        step("register with a Pangea", me.register)
        org = step("make an organization", pangea_api.Organization(knex, "demo").idem)
        bucket = {"name": "walk", "endpoint_url": service.s3, "organization": org.uuid}
        library = org.sample_group("walk", is_library=True, is_public=False)
        library.bucket = knex.post("s3_buckets", json=bucket)["uuid"]
        step("make a private library", library.idem)
        paths = [path for path in sorted(directory.rglob("*")) if is_plain(path)][:20]
        names = [f"sample {number}" for number, _ in enumerate(paths)]
        samples = step(f"make {len(names)} samples", lambda: library.create_samples(names))

        def upload() -> None:
            for sample, path in zip(samples, paths, strict=True):
                field = sample.analysis_result("walk", replicate="v1").idem().field("file").idem()
                field.upload_file(str(path), multipart_thresh=8 << 20)

        step("upload a file of each, large ones in parts", upload)
        target = work / "pangea-copy"
        copies = step("download them all", lambda: library.download_all(str(target)))
        if [Path(one).read_bytes() for one in copies] != [one.read_bytes() for one in paths]:
            raise SystemExit("error: a copy differs")
        print(f"{'':13}{library.get_module_counts()}")


def is_plain(path: Path) -> bool:
    """Whether this is a file, and no link: Girder gets none."""
    return path.is_file() and not path.is_symlink()


def main(work: Path, directory: Path) -> None:
    """Walk three times, and further where there is a Girder, or a PyTupli."""
    gobbler(work, directory)
    gypsum_service(work, directory)
    pangea(work, directory)
    if os.environ.get("SELENITE_GIRDER"):
        girder(work, directory)
    if os.environ.get("SELENITE_TUPLI"):
        tupli(work)
    print("All went well.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as temporary:
        place = Path(temporary)
        main(place, Path(sys.argv[1]) if sys.argv[1:] else generate(place / "generated"))
