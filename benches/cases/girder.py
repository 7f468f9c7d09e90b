"""Trees to and from a real Girder: a fresh one for each repetition, near or 20 ms away.

Beside each time stands the CPU time that the server used meanwhile, as a share of a core: it is one
process, and does no more than one core can.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cases.base import Case, Contestant, Row, Skip, Task, Timed, same, tree

_BYTES = 10 * 1024
_SERVER = Path(__file__).parents[2] / "tests" / "support" / "girder_server.py"


@contextlib.contextmanager
def _girder(
    _data: dict[str, Path], _scratch: Path, _floors: str | None
) -> Iterator[dict[str, Any]]:
    """Say which Python has a Girder: contestants do not see the environment."""
    python = os.environ.get("SELENITE_GIRDER")
    if not python:
        raise Skip("no Girder: SELENITE_GIRDER=$(scripts/girder)")
    yield {"girder": python}


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


def _server(task: Task, trip: int) -> tuple[str, int]:
    """Start a server; gives where it is, and its process."""
    root = str(task.scratch / "server")
    command = [task.facts["girder"], "-P", str(_SERVER), "--root", root]
    told = json.loads(_started(command, stderr=subprocess.DEVNULL))
    url, process = str(told["url"]), int(told["pid"])
    if trip == 0:
        return url, process
    if task.floors is None:
        raise Skip("the delay is not built (no cargo)")
    address = url.split("/")[2]
    command = [task.floors, "delay", str(trip), address]
    port = int(_started(command, stdin=subprocess.PIPE))
    return url.replace(address, f"127.0.0.1:{port}"), process


def _cpu(process: int) -> float:
    """CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _timed(process: int, act: Callable[[], object], look: Callable[[], Any]) -> Callable[[], Timed]:
    """Measure something; what has come of it is looked at afterwards."""

    def call() -> Timed:
        used, began = _cpu(process), time.perf_counter()
        act()
        wall = time.perf_counter() - began
        server = (_cpu(process) - used) / wall
        return Timed(wall, value=look(), server=server)

    return call


def _prepared(trip: int, count: int, is_down: bool) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        import girder_client

        source = task.scratch / "tree"
        for number in range(count):
            folder = source / f"{number // 50:03}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05}").write_bytes(number.to_bytes(4, "little") * (_BYTES // 4))
        url, process = _server(task, trip)
        client = girder_client.GirderClient(apiUrl=url)
        user = client.authenticate("admin", "password123")
        parent = client.createFolder(user["_id"], "bench", parentType="user")["_id"]

        def upload() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                client.upload(str(source), parent)

        def uploaded() -> list[tuple[str, int]]:
            top = next(iter(client.listFolder(parent)))
            folders = sorted(folder["_id"] for folder in client.listFolder(top["_id"]))
            items = [item for folder in folders for item in client.listItem(folder)]
            return sorted((item["name"], item["size"]) for item in items)

        copy = task.scratch / "copy"

        def download() -> None:
            client.downloadFolderRecursive(parent, str(copy))

        if not is_down:
            return _timed(process, upload, uploaded)
        upload()
        return _timed(process, download, lambda: copy)

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
        check=tree if is_down else same,
        setup=_girder,
        writes=True,
    )


CASES = (
    _case("R1", 20, 500, False, 4, 8),
    _case("R2", 20, 500, True, 4, 20),
    _case("R3", 0, 2000, True, 4, 5),
    # The server is at its limit.
    _case("R4", 0, 2000, False, 1, 1.2),
    _case("N5", 50, 500, False, 10, 15),
    _case("N5A", 50, 500, True, 10, 20),
)
