"""G: whole operations of the Gobbler, both clients against selenite's service."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cases import servers
from cases.base import Case, Contestant, Prepare, Row, Setup, Task, files_below, tree


def _service(*uploaded: str, with_nginx: bool = False) -> Setup:
    """A service whose registry holds some of the sets, as assets of their names."""

    @contextmanager
    def setup(
        data: dict[str, Path], scratch: Path, _floors: str | None
    ) -> Iterator[dict[str, Any]]:
        import pygobbler

        with ExitStack() as stack:
            facts: dict[str, Any] = stack.enter_context(servers.gobbler(scratch / "service"))
            for name in uploaded:
                pygobbler.upload_directory(
                    *("bench", name, "v1"), str(data[name]), facts["staging"], facts["url"]
                )
            if with_nginx:
                registry = Path(facts["registry"])
                facts["nginx"] = stack.enter_context(servers.nginx(registry, scratch / "nginx"))
            yield facts

    return setup


def _upload(name: str, who: str, version: str = "v1") -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import pygobbler

        asset = f"{who}-{task.repetition}"
        source, staging, url = str(task.data[name]), task.facts["staging"], task.facts["url"]

        def run() -> Path:
            pygobbler.upload_directory("bench", asset, version, source, staging, url)
            return Path(task.facts["registry"]) / "bench" / asset / version

        return run

    return prepare


def _manifest(version: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((version / "..manifest").read_text())
    return manifest


def _uploaded(version: Any, _task: Task, _thorough: bool) -> str:
    facts = sorted((path, e["size"], e["md5sum"]) for path, e in _manifest(version).items())
    files = [path for path in files_below(version) if ".." not in path]
    assert files == [path for path, _, _ in facts]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _fetch(name: str, concurrent: int = 1) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import pygobbler

        where = (task.facts["registry"], task.facts["url"])
        cache = str(task.scratch / "cache")
        return lambda: pygobbler.fetch_directory(
            f"bench/{name}/v1", *where, cache=cache, force_remote=True, concurrent=concurrent
        )

    return prepare


def _check_version(name: str, action: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import pygobbler

        call = getattr(pygobbler, action)
        version = Path(task.facts["registry"]) / "bench" / name / "v1"

        def run() -> Path:
            call("bench", name, "v1", task.facts["staging"], task.facts["url"])
            return version

        return run

    return prepare


def _one_pass(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        version = Path(task.facts["registry"]) / "bench" / name / "v1"
        files = [version / path for path in files_below(version) if ".." not in path]

        def run() -> list[str]:
            found = []
            for file in files:
                with open(file, "rb") as stream:
                    found.append(hashlib.file_digest(stream, "md5").hexdigest())
            return found

        return run

    return prepare


def _digests(value: Any, _task: Task, _thorough: bool) -> str:
    if isinstance(value, Path):
        value = [entry["md5sum"] for entry in _manifest(value).values()]
    return hashlib.sha256(repr(sorted(value)).encode()).hexdigest()


def _rate(server: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        registry = Path(task.facts["registry"])
        first = files_below(registry / "bench/S/v1/d00")[0]
        path = f"bench/S/v1/d00/{first}"
        url = f"{task.facts[server]}/{'fetch/' if server == 'url' else ''}{path}"
        assert servers.body(url) == (registry / path).read_bytes()
        return lambda: servers.wrk(url)

    return prepare


def _checks(name: str, must: float, stretch: float) -> Case:
    return Case(
        rows=(
            Row(
                *(f"G7{name}", f"validate {name}", "validate", ("one pass",), must, stretch),
                floor="read",
                in_server=True,
            ),
            Row(
                *(f"G8{name}", f"reindex {name}", "reindex", ("one pass",), must, stretch),
                floor="read",
                in_server=True,
            ),
        ),
        contestants=(
            Contestant("validate", _check_version(name, "validate_version"), "ours"),
            Contestant("reindex", _check_version(name, "reindex_version"), "ours"),
            Contestant("one pass", _one_pass(name), "plain"),
            Contestant("read", _read(name), "plain", is_floor=True),
        ),
        needs=(name,),
        check=_digests,
        setup=_service(name),
    )


def _read(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        version = Path(task.facts["registry"]) / "bench" / name / "v1"
        listed = task.list_file([str(version / path) for path in files_below(version)])
        return task.floor("read", len(os.sched_getaffinity(0)), str(listed))

    return prepare


CASES = (
    Case(
        rows=(Row("G1", "upload_directory of S", "selenite", ("pygobbler",), 3, 4.5),),
        contestants=(
            Contestant("selenite", _upload("S", "selenite"), "ours"),
            Contestant("pygobbler", _upload("S", "pygobbler"), "peers"),
        ),
        needs=("S",),
        check=_uploaded,
        setup=_service(),
        writes=True,
    ),
    Case(
        rows=(
            Row("G2", "upload_directory of L", "selenite", ("pygobbler",), 6, 8),
            Row("G3", "the same, selenite on both sides", "selenite", ("pygobbler",), 7, 9),
            Row(
                *("G10", "the same content again", "again", ("selenite",), 1.0, 0.95),
                inverse=True,
            ),
        ),
        contestants=(
            Contestant("selenite", _upload("L", "selenite"), "ours", repetitions=3),
            Contestant("again", _upload("L", "selenite", "v2"), "ours", repetitions=3),
            Contestant("pygobbler", _upload("L", "pygobbler"), "peers", repetitions=3),
        ),
        needs=("L",),
        check=_uploaded,
        setup=_service(),
        writes=True,
    ),
    Case(
        rows=(
            Row("G4", "fetch_directory of S", "selenite", ("concurrent=1",), 15, 25),
            Row("G5", "the same", "selenite", ("concurrent=8",), 10, 15),
        ),
        contestants=(
            Contestant("selenite", _fetch("S"), "ours"),
            Contestant("concurrent=1", _fetch("S"), "peers", repetitions=3),
            Contestant("concurrent=8", _fetch("S", 8), "peers", repetitions=3),
        ),
        needs=("S",),
        check=tree,
        setup=_service("S"),
        writes=True,
    ),
    Case(
        rows=(Row("G6", "fetch_directory of L", "selenite", ("pygobbler",), 2, 3),),
        contestants=(
            Contestant("selenite", _fetch("L"), "ours"),
            Contestant("pygobbler", _fetch("L"), "peers"),
        ),
        needs=("L",),
        check=tree,
        setup=_service("L"),
        writes=True,
        discard=True,
    ),
    _checks("L", 9, 11),
    _checks("S", 3, 4),
    Case(
        rows=(
            Row(
                *("G9", "GET of 4 KiB, time of one", "service", ("nginx",), 0.75, 0.95),
                in_server=True,
            ),
        ),
        contestants=(
            Contestant("service", _rate("url"), "plain", is_floor=True),
            Contestant("nginx", _rate("nginx"), "plain", is_floor=True),
        ),
        needs=("S",),
        check=lambda _value, _task, _thorough: "",
        setup=_service("S", with_nginx=True),
    ),
)
