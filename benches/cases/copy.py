"""C: verified copies to a staging directory.

The original client is measured through its own `upload_directory`, from the call to the moment
when it asks the service: that is when it has copied everything. A few lines of a service answer it.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from cases import ours
from cases.base import Case, Contestant, Prepare, Row, Task, Timed, files_below, program, tree


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _selenite(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        destination = task.scratch / "copy"

        def run() -> Path:
            ours.stage_directory(task.data[name], destination)
            return destination

        return run

    return prepare


def _original(name: str, concurrent: int) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        import pygobbler

        staging = task.scratch / "staging"
        staging.mkdir()
        kept = task.scratch / "copy"
        asked: list[tuple[float, float]] = []

        class Service(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append((time.perf_counter(), _cpu()))
                request = json.loads((staging / self.path.removeprefix("/new/")).read_text())
                # An empty directory is left: to remove the copy is not what is measured.
                source = staging / request["source"]
                source.rename(kept)
                source.mkdir()
                body = b'{"status": "SUCCESS"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Service)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        url = f"http://127.0.0.1:{server.server_port}"

        def run() -> Timed:
            thread.start()
            wall, cpu = time.perf_counter(), _cpu()
            pygobbler.upload_directory(
                *("p", "a", "v"), str(task.data[name]), str(staging), url, concurrent=concurrent
            )
            server.shutdown()
            thread.join()
            server.server_close()
            return Timed(asked[0][0] - wall, asked[0][1] - cpu, kept)

        return run

    return prepare


def _cp(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        destination = task.scratch / "copy"
        command = [program("cp"), "-r", str(task.data[name]), str(destination)]

        def run() -> Path:
            subprocess.run(command, check=True)
            return destination

        return run

    return prepare


def _create(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        root = task.data[name]
        files = [f"{(root / path).stat().st_size} {path}" for path in files_below(root)]
        threads = len(os.sched_getaffinity(0))
        return task.floor("create", threads, str(task.scratch / "copy"), str(task.list_file(files)))

    return prepare


CASES = (
    Case(
        rows=(
            Row("C1", "verified copy of S", "selenite", ("pygobbler",), 4.5, 6, "create"),
            Row("C2", "the same, to a plain copy", "selenite", ("cp -r",), 1.8, 2.3, "create"),
        ),
        contestants=(
            Contestant("selenite", _selenite("S"), "ours"),
            Contestant("pygobbler", _original("S", 1), "peers"),
            Contestant("cp -r", _cp("S"), "plain"),
            Contestant("create", _create("S"), "plain", is_floor=True),
        ),
        needs=("S",),
        check=tree,
        writes=True,
    ),
    Case(
        rows=(
            Row("C3", "verified copy of M", "selenite", ("pygobbler",), 9, 11, "create"),
            Row("C4", "the same, two processes", "selenite", ("pygobbler, 2",), 4, 5, "create"),
        ),
        contestants=(
            Contestant("selenite", _selenite("M"), "ours"),
            Contestant("pygobbler", _original("M", 1), "peers"),
            Contestant("pygobbler, 2", _original("M", 2), "peers"),
            Contestant("create", _create("M"), "plain", is_floor=True),
        ),
        needs=("M",),
        check=tree,
        writes=True,
        discard=True,
    ),
)
