"""Trees to and from a real Girder: a fresh one for each repetition, near or 20 ms away."""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases.base import Case, Contestant, Row, Skip, Task, tree

_BYTES = 10 * 1024
_SERVER = Path(__file__).parents[2] / "tests" / "support" / "girder_server.py"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _started(command: list[str], **settings: Any) -> bytes:
    """Start a program that ends with this process; gives its first line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **settings)
    atexit.register(_end, process)
    assert process.stdout is not None
    line: bytes = process.stdout.readline()
    return line


def _server(task: Task, trip: int) -> str:
    python = os.environ.get("SELENITE_GIRDER")
    if not python:
        raise Skip("no Girder: SELENITE_GIRDER=$(scripts/girder)")
    root = str(task.scratch / "server")
    command = [python, "-P", str(_SERVER), "--root", root]
    url: str = json.loads(_started(command, stderr=subprocess.DEVNULL))["url"]
    if trip == 0:
        return url
    if task.floors is None:
        raise Skip("the delay is not built (no cargo)")
    address = url.split("/")[2]
    command = [task.floors, "delay", str(trip), address]
    port = int(_started(command, stdin=subprocess.PIPE))
    return url.replace(address, f"127.0.0.1:{port}")


def _prepared(trip: int, count: int, is_down: bool) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import girder_client

        source = task.scratch / "tree"
        for number in range(count):
            folder = source / f"{number // 50:03}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05}").write_bytes(number.to_bytes(4, "little") * (_BYTES // 4))
        client = girder_client.GirderClient(apiUrl=_server(task, trip))
        user = client.authenticate("admin", "password123")
        parent = client.createFolder(user["_id"], "bench", parentType="user")["_id"]

        def upload() -> Path:
            with contextlib.redirect_stdout(io.StringIO()):
                client.upload(str(source), parent)
            return source

        def download() -> Path:
            client.downloadFolderRecursive(parent, str(task.scratch / "copy"))
            return task.scratch / "copy"

        if not is_down:
            return upload
        upload()
        return download

    return prepare


def _case(name: str, trip: int, count: int, is_down: bool, must: float, stretch: float) -> Case:
    verb = "downloadFolderRecursive" if is_down else "upload"
    way = f", {trip} ms away" if trip else ""
    prepare = _prepared(trip, count, is_down)
    return Case(
        rows=(
            Row(
                name,
                f"`{verb}` of {count} files of 10 KiB{way}",
                "selenite",
                ("original",),
                must,
                stretch,
            ),
        ),
        contestants=(
            Contestant("selenite", prepare, "ours"),
            Contestant("original", prepare, "peers", repetitions=3),
        ),
        needs=(),
        check=tree,
        writes=True,
    )


CASES = (
    _case("R1", 20, 500, False, 4, 8),
    _case("R2", 20, 500, True, 4, 20),
    _case("R3", 0, 2000, True, 4, 5),
    # The server is at its limit.
    _case("R4", 0, 2000, False, 1, 1.2),
)
