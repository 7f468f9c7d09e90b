"""Calls of all clients that write files, each beneath one folder, to be cut off anywhere.

As a program it runs them by their names, one for each line of its input.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BIG = bytes(range(256)) * 1200
FILES = {"a": b"alpha", "d/b": BIG, "d/e/c": b"gamma" * 100, "none": b""}
SQLITE = b"SQLite format 3\0" + BIG
# Items that come in one archive.
SMALL = {f"f{number:02}": b"%d" % number for number in range(20)}
# The answer of a call that was killed.
KILLED = "killed"
# Where the servers are, by name.
Sites = dict[str, str]


@dataclass(frozen=True)
class Call:
    """A call, what is there before, and the file that it is about."""

    run: Callable[[Path, Sites], object]
    prepare: Callable[[Path, Sites], object] = lambda *_: None
    # Whether it changes all or nothing: what one download of many has brought may stay.
    is_one_step: bool = False
    # Whether it goes on with what a service was told: then what its files were is half the story.
    goes_on: bool = False
    # Whether it is refused where a file system has no hard links.
    needs_links: bool = False


def gobbler(name: str, *names: str, **more: Any) -> Callable[[Path, Sites], object]:
    def run(place: Path, sites: Sites) -> object:
        import pygobbler

        settings = {"registry": sites["registry"], "url": sites["gobbler"], **more}
        if name != "clone_version":
            settings |= {"cache": str(place / "cache"), "force_remote": True}
        else:
            settings = {"registry": sites["registry"], "destination": str(place / "clone")}
        return getattr(pygobbler, name)(*names, **settings)

    return run


def upload(place: Path, sites: Sites) -> None:
    import pygobbler

    staging: dict[str, Any] = {"staging": sites["staging"], "url": sites["gobbler"]}
    with contextlib.suppress(Exception):
        pygobbler.remove_version("q", "a", "v", **staging)
    pygobbler.upload_directory("q", "a", "v", str(place / "source"), **staging)


def gypsum(name: str, *names: str, **more: Any) -> Callable[[Path, Sites], object]:
    def run(place: Path, sites: Sites) -> object:
        import gypsum_client

        settings = {"cache_dir": str(place / "cache"), "url": sites["gypsum"], **more}
        if name == "clone_version":
            settings["destination"] = str(place / "clone")
        return getattr(gypsum_client, name)("p", "a", "v1", *names, **settings)

    return run


def gypsum_site(name: str) -> Callable[[Path, Sites], object]:
    def run(place: Path, sites: Sites) -> object:
        import gypsum_client

        os.environ["GYPSUM_METADATA_DB_URL"] = sites["fake"]
        os.environ["GYPSUM_METADATA_SCHEMA_URL"] = sites["fake"] + "/"
        return getattr(gypsum_client, name)(cache_dir=str(place / "cache"), overwrite=True)

    return run


def gypsum_settings(place: Path, sites: Sites) -> object:
    import gypsum_client

    url, cache = sites["gypsum"], str(place / "cache")
    return gypsum_client.public_s3_config(refresh=True, url=url, cache_dir=cache)


def gypsum_token(place: Path, sites: Sites) -> object:
    import gypsum_client

    github, cache = sites["gypsum"] + "/github", str(place / "cache")
    gypsum_client.set_access_token("admin-token", github_url=github, cache_dir=cache)
    return None


def girder(act: Callable[[Any, Path], object]) -> Callable[[Path, Sites], object]:
    def run(place: Path, sites: Sites) -> object:
        import girder_client

        client = girder_client.GirderClient(apiUrl=sites["fake"] + "/api/v1")
        return act(client, place)

    return run


def girder_sync(client: Any, place: Path) -> None:
    client.downloadItem("i", str(place / "copy"))
    client.saveLocalMetadata(str(place / "copy"))


def pangea_cache(place: Path, _: Sites) -> None:
    from pangea_api import file_system_cache

    file_system_cache.CACHE_DIR = str(place)
    cache = file_system_cache.FileSystemCache()
    cache.clear_blob("key")
    cache.cache_blob("key", {"content": "c" * 5000})
    assert cache.get_cached_blob("key") == {"content": "c" * 5000}


def pangea_field(place: Path, sites: Sites) -> Any:
    from pangea_api import Knex, Sample, SampleGroup
    from pangea_api.file_system_cache import FileSystemCache

    os.environ["USE_PANGEA_CACHE"] = "false"
    knex = Knex(sites["pangea"])
    knex.cache = FileSystemCache()
    knex.add_auth_token(sites["pangea_token"])
    from pangea_api import Organization

    library = SampleGroup(knex, Organization(knex, "Org").get(), "Lib", is_library=True).get()
    return Sample(knex, library, "S").get().analysis_result("m").field("reads").get()


def pangea_file(place: Path, sites: Sites) -> object:
    return pangea_field(place, sites).download_file(filename=str(place / "file"), cache=False)


def pangea_blob(place: Path, _: Sites) -> None:
    from pangea_api._local import write_blob

    field = SimpleNamespace(stored_data={"content": "c" * 5000})
    write_blob(field, str(place / "out" / "blob.json"))


def storage(act: Callable[[Any], object]) -> Callable[[Path, Sites], object]:
    def run(place: Path, _: Sites) -> object:
        from pytupli.storage import FileStorage

        return act(FileStorage(place / "store"))

    return run


def store_benchmark(store: Any) -> None:
    from pytupli.schema import BenchmarkMetadata, BenchmarkQuery

    metadata = BenchmarkMetadata(name="b")
    store.store_benchmark(BenchmarkQuery(hash="h", serialized="{}", metadata=metadata))


def store_artifact(store: Any) -> None:
    from pytupli.schema import ArtifactMetadata

    store.store_artifact(BIG, ArtifactMetadata(name="a"))


def with_benchmark(place: Path, sites: Sites) -> None:
    storage(store_benchmark)(place, sites)


def delete_benchmark(store: Any) -> None:
    for found in store.list_benchmarks():
        store.delete_benchmark(found.id)


def with_artifact(place: Path, sites: Sites) -> None:
    storage(store_artifact)(place, sites)


def delete_artifact(store: Any) -> None:
    uri = hashlib.sha256(BIG).hexdigest()[:32]
    if (store.storage_dir / "artifacts" / uri).exists():
        store.delete_artifact(uri)


def older(path: str) -> Callable[[Path, Sites], object]:
    def prepare(place: Path, _: Sites) -> None:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(b"older")

    return prepare


def source(place: Path, _: object = None) -> None:
    for path, content in FILES.items():
        file = place / "source" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def girder_folder(place: Path, sites: Sites) -> None:
    import girder_client

    client = girder_client.GirderClient(apiUrl=sites["girder"])
    client.downloadFolderRecursive("f", str(place / "copy"))


class CommandError(Exception):
    """The command has failed."""


def selenite(*arguments: str) -> Callable[[Path, Sites], object]:
    def run(place: Path, sites: Sites) -> None:
        from selenite import cli

        os.environ |= {f"XDG_{name}_HOME": str(place / name.lower()) for name in KINDS}
        os.environ |= {
            "GOBBLER_URL": sites["gobbler"],
            "GOBBLER_STAGING": sites["staging"],
            "GYPSUM_REST_URL": sites["gypsum"],
            "GYPSUM_CACHE_DIR": str(place / "cache"),
            "GYPSUM_TOKEN": "admin-token",
        }
        output, errors = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            status = cli.run([argument.format(place=place) for argument in arguments])
        if status:
            errors.seek(0)
            raise CommandError(errors.read())

    return run


def put_to_gobbler(place: Path, sites: Sites) -> None:
    selenite("put", "{place}/source", "gobbler:q/a/put", "--resume")(place, sites)


def not_in_gobbler(place: Path, sites: Sites) -> None:
    import pygobbler

    source(place)
    with contextlib.suppress(Exception):
        pygobbler.remove_version("q", "a", "put", staging=sites["staging"], url=sites["gobbler"])


def put_to_gypsum(place: Path, sites: Sites) -> None:
    selenite("put", "{place}/source", "gypsum:w/a/put", "--resume")(place, sites)
    from support.gypsum import Api

    summary = Api(sites["gypsum"], Path()).get("w/a/put/..summary").json()
    assert "upload_finish" in summary, "it was taken for done"


def upload_to_gypsum(place: Path, sites: Sites) -> None:
    import gypsum_client

    from support.gypsum import Api

    os.environ["XDG_STATE_HOME"] = str(place / "state")
    if "upload_finish" in (Api(sites["gypsum"], Path()).get("w/a/put/..summary").json() or {}):
        as_admin(sites, "/remove/w/a")
    gypsum_client.upload_directory(
        place / "source",
        *("w", "a", "put"),
        cache_dir=place / "cache",
        url=sites["gypsum"],
        token="admin-token",
    )


def not_in_gypsum(place: Path, sites: Sites) -> None:
    source(place)
    as_admin(sites, "/unlock/w", "/remove/w/a")


def as_admin(sites: Sites, *paths: str) -> None:
    from support.gypsum import Api

    for path in paths:
        answer = Api(sites["gypsum"], Path()).admin("DELETE", path)
        assert answer.status == 200, answer.reason


def profile(place: Path, _: Sites) -> None:
    file = place / "config" / "selenite" / "selenite.toml"
    file.parent.mkdir(parents=True)
    file.write_text('default = "lab"\n\n[profile.lab]\nservice = "gobbler"\n')


# What is imported before the first call: each in a process of its own would take long.
MODULES = ["pygobbler", "gypsum_client", "girder_client", "pangea_api", "pytupli.storage"]
MODULES += [f"selenite.cli.{name}" for name in ("auth", "config", "get", "put")]
KINDS = ("CACHE", "CONFIG", "DATA", "STATE")
VERSION = ("p", "a", "v1")
IN_GYPSUM = "gypsum:p/a/v1"
CALLS = {
    "selenite.get": Call(selenite("get", IN_GYPSUM)),
    "selenite.get_copies": Call(selenite("get", IN_GYPSUM, "{place}/out")),
    "selenite.get_several": Call(
        selenite("get", f"{IN_GYPSUM}/d/b", f"{IN_GYPSUM}/d/e/", "{place}/out/")
    ),
    "selenite.get_file": Call(
        selenite("get", f"{IN_GYPSUM}/d/b", "{place}/out/b", "--overwrite"), older("out/b")
    ),
    "selenite.get_link": Call(
        selenite("get", f"{IN_GYPSUM}/d/b", "{place}/out/b", "--link", "hard", "--overwrite"),
        older("out/b"),
        needs_links=True,
    ),
    "selenite.put_to_gobbler": Call(put_to_gobbler, not_in_gobbler, goes_on=True),
    "selenite.put_to_gypsum": Call(put_to_gypsum, not_in_gypsum, goes_on=True),
    "selenite.config_set": Call(
        selenite("config", "set", "url", "http://lab", "--profile", "lab"),
        profile,
        is_one_step=True,
    ),
    "selenite.auth_logout": Call(selenite("auth", "logout"), gypsum_token, is_one_step=True),
    "pygobbler.fetch_file": Call(gobbler("fetch_file", "p/a/v1/d/b")),
    "pygobbler.fetch_directory": Call(gobbler("fetch_directory", "p/a/v1")),
    "pygobbler.fetch_manifest": Call(gobbler("fetch_manifest", *VERSION)),
    "pygobbler.clone_version": Call(gobbler("clone_version", *VERSION)),
    "pygobbler.upload_directory": Call(upload, source),
    "gypsum_client.upload_directory": Call(upload_to_gypsum, not_in_gypsum, goes_on=True),
    "gypsum_client.save_file": Call(gypsum("save_file", "d/b")),
    "gypsum_client.save_version": Call(gypsum("save_version")),
    "gypsum_client.fetch_manifest": Call(gypsum("fetch_manifest")),
    "gypsum_client.clone_version": Call(gypsum("clone_version")),
    "gypsum_client.fetch_metadata_database": Call(gypsum_site("fetch_metadata_database")),
    "gypsum_client.fetch_metadata_schema": Call(gypsum_site("fetch_metadata_schema")),
    "gypsum_client.public_s3_config": Call(gypsum_settings),
    "gypsum_client.set_access_token": Call(gypsum_token),
    "girder_client.downloadFile": Call(
        girder(lambda client, place: client.downloadFile("f", str(place / "file"))), older("file")
    ),
    "girder_client.downloadItem": Call(
        girder(lambda client, place: client.downloadItem("i", str(place / "copy")))
    ),
    "girder_client.downloadFolderRecursive": Call(girder_folder),
    "girder_client.saveLocalMetadata": Call(girder(girder_sync)),
    "pangea_api.download_file": Call(pangea_file, older("file")),
    "pangea_api.write_blob": Call(pangea_blob),
    "pangea_api.FileSystemCache": Call(pangea_cache),
    "pytupli.store_benchmark": Call(storage(store_benchmark), is_one_step=True),
    "pytupli.store_artifact": Call(storage(store_artifact), is_one_step=True),
    "pytupli.delete_benchmark": Call(storage(delete_benchmark), with_benchmark, is_one_step=True),
    "pytupli.delete_artifact": Call(storage(delete_artifact), with_artifact, is_one_step=True),
}


def reply(method: str, path: str) -> Any:
    """What the scripted server answers: a server of Girder with one item, and a site."""
    from support.fake import Reply, as_json

    content = {"f": BIG, "g": b"small"}
    sites = {
        "/bioconductor.sqlite3": SQLITE,
        "/modified": b"1700000000000",
        "/bioconductor/v1.json": b'{"type": "object"}',
    }
    place = path.partition("?")[0].removeprefix("/api/v1")
    parts = place.strip("/").split("/")
    files = [document(name, data) for name, data in content.items()]
    if place in sites:
        return Reply(sites[place])
    if parts[0] == "file" and parts[-1] == "download":
        return Reply(content[parts[1]])
    if parts[0] == "file":
        return as_json(document(parts[1], content[parts[1]]))
    if parts == ["item", "i", "files"]:
        return as_json(files if "offset=0" in path or "offset" not in path else [])
    if parts == ["item", "i"]:
        size = sum(len(data) for data in content.values())
        item = {"_id": "i", "name": "item", "folderId": "o", "updated": "2026", "size": size}
        return as_json({**item, "created": "2026"})
    return as_json({"message": path}, 404)


def document(name: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha512(data).hexdigest()
    known = {"_id": name, "name": f"{name}.bin", "size": len(data), "sha512": digest}
    return {**known, "created": "2026", "updated": "2026", "itemId": "i"}


@contextlib.contextmanager
def serving(folder: Path, staging: Path) -> Iterator[Sites]:
    """All servers, with something in each."""
    import pygobbler
    from pangea_api import Knex, Organization, Sample, SampleGroup
    from selenite.testing import GobblerServer

    from support import gypsum as support
    from support import pangea
    from support.fake import serving as faking
    from support.girder_tree import Packing, single

    folder.mkdir()
    staging.mkdir(parents=True)
    staging.chmod(0o1777)
    with (
        GobblerServer(staging=staging, registry=folder / "registry") as gobbler,
        support.server(folder / "bucket") as bucket,
        faking(reply) as fake,
        faking(Packing(single(SMALL))) as girder,
        pangea.running() as service,
    ):
        writer: dict[str, Any] = {"staging": gobbler.staging, "url": gobbler.url}
        source(folder)
        for project in ("p", "q"):
            pygobbler.create_project(project, **writer)
        pygobbler.upload_directory(*VERSION, str(folder / "source"), **writer)
        api = support.api(bucket)
        api.create("p")
        api.create("w")
        api.upload("p/a/v1", FILES)
        token = service.sign_up("owner@example.org")
        knex = Knex(service.url)
        knex.add_auth_token(token)
        organization = Organization(knex, "Org").create()
        kept = {"name": "bkt", "endpoint_url": service.s3, "organization": organization.uuid}
        library = SampleGroup(knex, organization, "Lib", is_library=True)
        library.bucket = knex.post("s3_buckets", json=kept)["uuid"]
        library.create()
        sample = Sample(knex, library, "S").create()
        field = sample.analysis_result("m").field("reads").idem()
        (folder / "reads").write_bytes(BIG)
        field.upload_file(str(folder / "reads"))
        yield {
            "gobbler": gobbler.url,
            "staging": gobbler.staging,
            "registry": gobbler.registry,
            "gypsum": bucket.url,
            "fake": fake.url,
            "girder": girder.url,
            "pangea": service.url,
            "pangea_token": token,
        }


def main() -> None:
    """Run what is asked for; answer with an empty line, or with what went wrong."""
    place, sites = Path(sys.argv[1]), json.loads(sys.argv[2])
    print(flush=True)
    for module in MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        # Each in a process of its own: what one has left, another one finds.
        if child := os.fork():
            if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
                print(KILLED, flush=True)
            continue
        try:
            CALLS[line.strip()].run(place, sites)
            print(flush=True)
        except Exception as error:
            print(repr(error).replace("\n", " "), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main()
