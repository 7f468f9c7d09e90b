"""D and U: downloads from nginx, uploads to it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cases import ours, servers
from cases.base import (
    Case,
    Contestant,
    Prepare,
    Row,
    Task,
    expectations,
    files_below,
    program,
    tree,
)

MOST_FILES = 5000


@contextmanager
def _serving(data: dict[str, Path], scratch: Path, floors: str | None) -> Iterator[dict[str, Any]]:
    root = next(iter(data.values())).parent
    with servers.files(root, scratch / "server", floors) as url:
        lists = {}
        for name, folder in data.items():
            paths = files_below(folder)[:MOST_FILES]
            lists[name] = str(scratch / f"{name}.json")
            facts = [] if name == "U" else expectations(folder, paths)
            Path(lists[name]).write_text(json.dumps([paths, facts]))
        yield {"url": url, "lists": lists, "put": str(scratch / "server" / "put")}


def _files(task: Task, name: str) -> tuple[str, list[str], list[tuple[int, str]]]:
    paths, facts = json.loads(Path(task.facts["lists"][name]).read_text())
    return f"{task.facts['url']}/{name}", paths, [(size, md5) for size, md5 in facts]


def _targets(task: Task, paths: list[str]) -> Path:
    """Make the directories that downloads need; selenite makes its own."""
    target = task.scratch / "files"
    for folder in {(target / path).parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)
    return target


def _selenite(name: str, is_checked: bool) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        base, paths, facts = _files(task, name)
        target = task.scratch / "files"

        def run() -> Path:
            ours.download_files(base, paths, target, facts if is_checked else None)
            return target

        return run

    return prepare


def _requests(name: str) -> Prepare:
    """As the original client: a connection for each file."""

    def prepare(task: Task) -> Callable[[], Any]:
        import requests

        base, paths, _ = _files(task, name)
        target = _targets(task, paths)

        def run() -> Path:
            for path in paths:
                with requests.get(f"{base}/{path}", stream=True) as answer:
                    answer.raise_for_status()
                    with (target / path).open("wb") as stream:
                        shutil.copyfileobj(answer.raw, stream)
            return target

        return run

    return prepare


def _aiohttp(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import asyncio

        import aiohttp

        base, paths, _ = _files(task, name)
        target = _targets(task, paths)

        async def take(session: aiohttp.ClientSession, left: Iterator[str]) -> None:
            for path in left:
                async with session.get(f"{base}/{path}") as answer:
                    answer.raise_for_status()
                    (target / path).write_bytes(await answer.read())

        async def everything() -> None:
            left = iter(paths)
            async with aiohttp.ClientSession() as session:
                await asyncio.gather(*(take(session, left) for _ in range(16)))

        def run() -> Path:
            asyncio.run(everything())
            return target

        return run

    return prepare


def _curl(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        base, paths, _ = _files(task, name)
        target = _targets(task, paths)
        config = task.list_file(
            [line for path in paths for line in (f"url={base}/{path}", f"output={target / path}")]
        )
        command = [program("curl"), "--silent", "--fail", "--parallel", "--parallel-max", "16"]

        def run() -> Path:
            # In parallel it shows its progress whatever it is told.
            subprocess.run(
                [*command, "--config", str(config)], stderr=subprocess.DEVNULL, check=True
            )
            return target

        return run

    return prepare


def _wrk(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        base, paths, _ = _files(task, name)
        return lambda: servers.wrk(f"{base}/{paths[0]}", len(paths))

    return prepare


def _sink(name: str, connections: int) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        base, paths, _ = _files(task, name)
        address, prefix = base.removeprefix("http://").split("/", 1)
        listed = task.list_file([f"/{prefix}/{path}" for path in paths])
        return task.floor("sink", connections, address, str(listed))

    return prepare


def _put(task: Task) -> Callable[[], Any]:
    import requests

    paths, _ = json.loads(Path(task.facts["lists"]["U"]).read_text())
    url = f"{task.facts['url']}/put/{task.label}"

    def run() -> Path:
        with requests.Session() as session:
            for path in paths:
                with (task.data["U"] / path).open("rb") as stream:
                    session.put(f"{url}/{path}", data=stream).raise_for_status()
        return Path(task.facts["put"]) / task.label

    return run


def _put_ours(task: Task) -> Callable[[], Any]:
    paths, _ = json.loads(Path(task.facts["lists"]["U"]).read_text())
    url = f"{task.facts['url']}/put/{task.label}"

    def run() -> Path:
        ours.upload_files(url, paths, task.data["U"])
        return Path(task.facts["put"]) / task.label

    return run


CASES = (
    Case(
        rows=(
            Row("D1", "5,000 files of S, checked", "selenite", ("requests",), 18, 25, "sink"),
            Row("D2", "the same", "selenite", ("aiohttp",), 5, 7, "sink"),
            Row("D3", "the same", "selenite", ("curl",), 1.3, 1.8, "sink"),
            Row(
                *("D4", "the same, to wrk's rate", "selenite", ("wrk",), 0.4, 0.55, "sink"),
                in_server=True,
            ),
        ),
        contestants=(
            Contestant("selenite", _selenite("S", True), "ours"),
            Contestant("requests", _requests("S"), "peers", repetitions=4),
            Contestant("aiohttp", _aiohttp("S"), "peers"),
            Contestant("curl", _curl("S"), "plain"),
            Contestant("wrk", _wrk("S"), "plain", is_floor=True),
            Contestant("sink", _sink("S", 16), "plain", is_floor=True),
        ),
        needs=("S",),
        check=tree,
        setup=_serving,
        writes=True,
    ),
    Case(
        rows=(
            Row("D5", "D, unchecked", "selenite", ("requests",), 1.3, 1.6, "sink"),
            Row("D6", "D, MD5 checked", "checked", ("requests",), 0.95, 1.05, "sink"),
        ),
        contestants=(
            Contestant("selenite", _selenite("D", False), "ours"),
            Contestant("checked", _selenite("D", True), "ours"),
            Contestant("requests", _requests("D"), "peers"),
            Contestant("sink", _sink("D", 1), "plain", is_floor=True),
        ),
        needs=("D",),
        check=tree,
        setup=_serving,
        writes=True,
        discard=True,
    ),
    Case(
        rows=(Row("D7", "L, MD5 checked", "selenite", ("requests",), 2.5, 3.5, "sink"),),
        contestants=(
            Contestant("selenite", _selenite("L", True), "ours"),
            Contestant("requests", _requests("L"), "peers"),
            Contestant("sink", _sink("L", 4), "plain", is_floor=True),
        ),
        needs=("L",),
        check=tree,
        setup=_serving,
        writes=True,
        discard=True,
    ),
    Case(
        rows=(
            Row(
                *("U1", "PUT of U, the client's CPU", "selenite", ("requests",), 3.5, 5),
                metric="cpu",
            ),
        ),
        contestants=(
            Contestant("selenite", _put_ours, "ours"),
            Contestant("requests", _put, "peers"),
        ),
        needs=("U",),
        check=tree,
        setup=_serving,
        writes=True,
        discard=True,
    ),
)
