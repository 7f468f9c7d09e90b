"""N: work with servers that are 50 ms away, and slow, lossy or busy as some are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cases import ours, servers
from cases.base import (
    Case,
    Contestant,
    Prepare,
    Row,
    Setup,
    Task,
    expectations,
    files_below,
    program,
    tree,
)

TRIP = 50
"""Milliseconds of a round trip."""

MBIT = 125_000
"""Bytes in a second."""


def _nginx(
    ways: dict[str, dict[str, int]], name: str = "N", is_secure: bool = False, most: int = 0
) -> Setup:
    """Serve with nginx, behind a proxy for each way: its name, and what else it is like."""

    @contextmanager
    def setup(data: dict[str, Path], scratch: Path, floors: str | None) -> Iterator[dict[str, Any]]:
        root = data[name].parent
        listed = scratch / "list.json"
        paths = files_below(data[name])[: most or None]
        listed.write_text(json.dumps([paths, expectations(data[name], paths)]))
        with ExitStack() as stack:
            near = stack.enter_context(servers.nginx(root, scratch / "nginx"))
            facts = {"list": str(listed)}
            for way, options in ways.items():
                facts[way] = stack.enter_context(servers.far(near, TRIP, floors, **options))
            if is_secure:
                both = servers.certificate(scratch / "certificate")
                secure = stack.enter_context(servers.nginx(root, scratch / "secure", both))
                facts["secure"] = stack.enter_context(servers.far(secure, TRIP, floors))
                facts["certificate"] = str(both)
            yield facts

    return setup


def _files(task: Task, way: str, name: str = "N") -> tuple[str, list[str], list[tuple[int, str]]]:
    paths, facts = json.loads(Path(task.facts["list"]).read_text())
    return f"{task.facts[way]}/{name}", paths, [(size, md5) for size, md5 in facts]


def _fetch(way: str = "far", name: str = "N") -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        base, paths, facts = _files(task, way, name)
        target = task.scratch / "files"
        if base.startswith("https:"):
            os.environ["SELENITE_CA_BUNDLE"] = task.facts["certificate"]
        ours.load()

        def run() -> Path:
            ours.download_files(base, paths, target, facts)
            return target

        return run

    return prepare


def _listed(kind: str, most: int, way: str = "far", name: str = "N") -> Prepare:
    """A program that is given a list of URLs."""

    def prepare(task: Task) -> Callable[[], Any]:
        base, paths, _ = _files(task, way, name)
        target = task.scratch / "files"
        for folder in {(target / path).parent for path in paths}:
            folder.mkdir(parents=True, exist_ok=True)
        if kind == "curl":
            lines = [line for p in paths for line in (f"url={base}/{p}", f"output={target / p}")]
            command = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(most)]
            if base.startswith("https:"):
                command += ["--http2", "--cacert", task.facts["certificate"]]
            command += ["--config", str(task.list_file(lines))]
        elif kind == "aria2c":
            lines = [line for p in paths for line in (f"{base}/{p}", f" dir={target}", f" out={p}")]
            command = ["aria2c", "--quiet", f"--max-concurrent-downloads={most}"]
            if name == "D":
                command = ["aria2c", "--quiet", f"--split={most}"]
                command.append(f"--max-connection-per-server={min(most, 16)}")
            command += ["--file-allocation=none", f"--input-file={task.list_file(lines)}"]
        else:
            command = ["rclone", "copy", ":http:", str(target), f"--http-url={base}"]
            command += [f"--transfers={most}", "--no-traverse", "--no-check-dest"]
            command += [f"--files-from={task.list_file(paths)}"]
        command[0] = program(command[0], f" (Debian: apt-get install {kind.removesuffix('c')})")

        def run() -> Path:
            subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
            return target

        return run

    return prepare


def _obstore(task: Task) -> Callable[[], Any]:
    import asyncio

    import obstore
    from obstore.store import HTTPStore

    base, paths, _ = _files(task, "far")
    target = task.scratch / "files"
    for folder in {(target / path).parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)

    async def everything() -> None:
        store = HTTPStore.from_url(base, client_options={"allow_http": True})
        left = iter(paths)

        async def take() -> None:
            for path in left:
                answer = await obstore.get_async(store, path)
                (target / path).write_bytes(await answer.bytes_async())

        await asyncio.gather(*(take() for _ in range(128)))

    def run() -> Path:
        asyncio.run(everything())
        return target

    return run


@contextmanager
def _gobbler(data: dict[str, Path], scratch: Path, floors: str | None) -> Iterator[dict[str, Any]]:
    """A Gobbler 50 ms away, with the set N, and one file of the same size."""
    import pygobbler

    with servers.gobbler(scratch / "service") as near:
        whole = scratch / "whole"
        whole.mkdir()
        with (whole / "file").open("wb") as file:
            for path in files_below(data["N"]):
                file.write((data["N"] / path).read_bytes())
        for asset, source in {"many": data["N"], "one": whole}.items():
            pygobbler.upload_directory(
                *("bench", asset, "v1"), str(source), near["staging"], near["url"]
            )
        with servers.far(near["url"], TRIP, floors) as url:
            yield {**near, "far": url}


def _fetch_directory(asset: str, concurrent: int = 1) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import pygobbler

        where = (task.facts["registry"], task.facts["far"])
        cache = str(task.scratch / "cache")
        return lambda: pygobbler.fetch_directory(
            f"bench/{asset}/v1", *where, cache=cache, force_remote=True, concurrent=concurrent
        )

    return prepare


def _files_alone(root: Any, task: Task, thorough: bool) -> str:
    """Compare trees without the registry's own files, and the locks that an original leaves."""
    found = files_below(Path(root))
    found = [path for path in found if not (path.startswith("..") or path.endswith(".LOCK"))]
    if len(found) == 1:
        return "one"
    plain = task.scratch / "plain"
    shutil.rmtree(plain, ignore_errors=True)
    for path in found:
        (plain / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(Path(root) / path, plain / path)
    return tree(plain, task, thorough)


def _gypsum(in_store: bool, *uploaded: str) -> Setup:
    """A gypsum service 50 ms away, and perhaps a store that is as far."""

    @contextmanager
    def setup(data: dict[str, Path], scratch: Path, floors: str | None) -> Iterator[dict[str, Any]]:
        with ExitStack() as stack:
            place = []
            if in_store:
                store = stack.enter_context(servers.store(scratch / "store"))
                far_store = stack.enter_context(servers.far(store["url"], TRIP, floors))
                place = [
                    "--store",
                    f"s3://{store['bucket']}?endpoint={store['url']}&public_endpoint={far_store}",
                ]
            near = stack.enter_context(servers.gypsum(scratch / "service", place))
            far = stack.enter_context(servers.far(near["url"], TRIP, floors))
            for asset in uploaded:
                _send(near["url"], data["N"], asset, scratch / "cache")
            yield {**near, "far": far}

    return setup


def _send(url: str, source: Path, asset: str, cache: Path, concurrent: int = 1) -> None:
    import gypsum_client

    gypsum_client.upload_directory(
        *(str(source), "bench", asset, "v1"),
        cache_dir=str(cache),
        deduplicate=False,
        url=url,
        token="secret",
        concurrent=concurrent,
    )


def _upload(who: str, concurrent: int = 1) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import gypsum_client

        del gypsum_client  # what it imports does not count
        asset, url = f"{who}-{task.repetition}", task.facts["far"]

        def run() -> str:
            _send(url, task.data["N"], asset, task.scratch / "cache", concurrent)
            return asset

        return run

    return prepare


def _uploaded(asset: Any, task: Task, _thorough: bool) -> str:
    key = f"bench%2F{asset}%2Fv1%2F..manifest"
    manifest = json.loads(servers.body(f"{task.facts['url']}/file/{key}"))
    facts = sorted((path, e["size"], e["md5sum"]) for path, e in manifest.items())
    assert len(facts) == len(files_below(task.data["N"]))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _save(concurrent: int = 1) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import gypsum_client

        cache = str(task.scratch / "cache")
        return lambda: gypsum_client.save_version(
            *("bench", "many", "v1"),
            cache_dir=cache,
            url=task.facts["far"],
            concurrent=concurrent,
        )

    return prepare


def _limited(name: str, what: str, numbers: tuple[int, ...], **options: int) -> Case:
    # Each has a way of its own: connections that others keep would count against the limit.
    fixed = tuple(
        Contestant(f"{n} at once", _fetch(f"far{n}"), "ours", {"SELENITE_JOBS": str(n)})
        for n in numbers
    )
    ways = dict.fromkeys(["far", *(f"far{n}" for n in numbers)], options)
    peers = tuple(contestant.name for contestant in fixed)
    row = Row(name, what, "selenite", peers, 1.2, 1.1, inverse=True)
    return Case(
        rows=(row,),
        contestants=(Contestant("selenite", _fetch(), "ours"), *fixed),
        needs=("N",),
        check=tree,
        setup=_nginx(ways, most=500),
        writes=True,
        is_fresh=True,
    )


_CURLS = tuple(Contestant(f"curl {n}", _listed("curl", n), "plain") for n in (50, 128))

CASES = (
    Case(
        rows=(
            Row("N1", "fetch 2,000 files of 4 KiB", "selenite", ("curl 50",), 2, 2.5),
            Row(
                *("N1A", "the same, with as many connections", "selenite", ("curl 128",), 1.3, 1),
                inverse=True,
            ),
            Row("N1B", "the same, other programs", "selenite", ("aria2c 64", "rclone 128"), 1, 2),
            Row("N1C", "the same, a library in Rust", "selenite", ("obstore 128",), 0.8, 1),
        ),
        contestants=(
            Contestant("selenite", _fetch(), "ours"),
            *_CURLS,
            Contestant("aria2c 64", _listed("aria2c", 64), "plain"),
            Contestant("rclone 128", _listed("rclone", 128), "plain"),
            Contestant("obstore 128", _obstore, "peers"),
        ),
        needs=("N",),
        check=tree,
        setup=_nginx({"far": {}}),
        writes=True,
        is_fresh=True,
    ),
    Case(
        rows=(
            Row("N1D", "fetch_directory of N", "selenite", ("concurrent=8",), 20, 25),
            Row("N2", "the same from our service", "selenite", ("concurrent=8",), 60, 80),
            Row("N2A", "to one file of that size", "selenite", ("one file",), 3, 2, inverse=True),
        ),
        contestants=(
            Contestant("selenite", _fetch_directory("many"), "ours"),
            Contestant("one file", _fetch_directory("one"), "ours", is_floor=True),
            Contestant("concurrent=8", _fetch_directory("many", 8), "peers", repetitions=1),
        ),
        needs=("N",),
        check=_files_alone,
        setup=_gobbler,
        writes=True,
        is_fresh=True,
    ),
    *(
        Case(
            rows=(
                Row(name, f"gypsum upload of N, {where}", "selenite", ("before",), must, must),
                Row(f"{name}A", "the same", "selenite", ("original",), 20, 60),
            ),
            contestants=(
                Contestant("selenite", _upload("selenite"), "ours"),
                Contestant("before", _upload("before"), "before", repetitions=2),
                Contestant("original", _upload("original", 8), "peers", repetitions=1),
            ),
            needs=("N",),
            check=_uploaded,
            setup=_gypsum(in_store),
            writes=True,
            is_fresh=True,
        )
        for name, where, in_store, must in (
            ("N3", "our service", False, 20),
            ("N3S", "a store", True, 8),
        )
    ),
    Case(
        rows=(
            Row("N4", "gypsum save of N", "selenite", ("before",), 10, 15),
            Row("N4A", "the same", "selenite", ("concurrent=8",), 60, 80),
        ),
        contestants=(
            Contestant("selenite", _save(), "ours"),
            Contestant("before", _save(), "before", repetitions=2),
            Contestant("concurrent=8", _save(8), "peers", repetitions=1),
        ),
        needs=("N",),
        check=_files_alone,
        setup=_gypsum(False, "many"),
        writes=True,
        is_fresh=True,
    ),
    Case(
        rows=(
            Row("N6", "D, 100 Mbit/s a connection", "selenite", ("curl",), 6, 8),
            Row("N6A", "the same", "selenite", ("aria2c 16",), 0.8, 1),
        ),
        contestants=(
            Contestant("selenite", _fetch("far", "D"), "ours", repetitions=2),
            Contestant("curl", _listed("curl", 1, "far", "D"), "plain", repetitions=1),
            Contestant("aria2c 16", _listed("aria2c", 16, "far", "D"), "plain", repetitions=1),
        ),
        needs=("D",),
        check=tree,
        setup=_nginx({"far": {"connection_rate": 100 * MBIT}}, "D"),
        writes=True,
        discard=True,
        is_fresh=True,
    ),
    Case(
        rows=(
            Row("N7", "N over TLS, by HTTP/2", "selenite", ("HTTP/1.1",), 1, 1.2),
            Row("N7A", "the same", "selenite", ("curl",), 1, 1.5),
        ),
        contestants=(
            Contestant("selenite", _fetch("secure"), "ours"),
            Contestant("HTTP/1.1", _fetch("far"), "ours"),
            Contestant("curl", _listed("curl", 128, "secure"), "plain"),
        ),
        needs=("N",),
        check=tree,
        setup=_nginx({"far": {}}, is_secure=True),
        writes=True,
        is_fresh=True,
    ),
    Case(
        rows=(
            Row(
                *("N8", "N, 1 % reset and 0.5 % answered 503", "lossy", ("smooth",), 1.5, 1.2),
                inverse=True,
            ),
        ),
        contestants=(
            Contestant("lossy", _fetch("lossy"), "ours"),
            Contestant("smooth", _fetch("far"), "ours"),
        ),
        needs=("N",),
        check=tree,
        setup=_nginx({"far": {}, "lossy": {"reset_every": 100, "refuse_every": 199}}),
        writes=True,
        is_fresh=True,
    ),
    _limited("N8A", "500 files, 8 connections at most", (4, 8), connections=8),
    _limited("N8B", "500 files, 50 requests a second", (2, 3, 8), requests=50),
)
