"""H: digests of files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

from cases import ours
from cases.base import Case, Contestant, Prepare, Row, Skip, Task, files_below, program, same

THREADS = os.cpu_count() or 1


def _paths(task: Task, name: str) -> list[str]:
    root = task.data[name]
    return [f"{root}/{path}" for path in files_below(root)]


def _selenite(name: str, algorithm: str = "md5", needs: str = "") -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        if needs:
            from pathlib import Path

            # Without the instructions another kernel would run, and be called by the wrong name.
            if needs not in Path("/proc/cpuinfo").read_text().split():
                raise Skip(f"this CPU has no {needs}")
        paths = _paths(task, name)
        return lambda: ours.digest_files(paths, algorithm)

    return prepare


def _pieces(name: str) -> Prepare:
    """The loop of the original client."""

    def prepare(task: Task) -> Callable[[], Any]:
        paths = _paths(task, name)

        def run() -> list[str]:
            found = []
            for path in paths:
                digest = hashlib.md5()
                with open(path, "rb") as stream:
                    while piece := stream.read(8192):
                        digest.update(piece)
                found.append(digest.hexdigest())
            return found

        return run

    return prepare


def _file_digest(name: str, algorithm: str = "md5") -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        paths = _paths(task, name)

        def run() -> list[str]:
            found = []
            for path in paths:
                with open(path, "rb") as stream:
                    found.append(hashlib.file_digest(stream, algorithm).hexdigest())
            return found

        return run

    return prepare


def _md5sum(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        command = [program("md5sum"), "--", *_paths(task, name)]

        def run() -> list[str]:
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            return [line.split()[0] for line in answer.stdout.splitlines()]

        return run

    return prepare


def _verify(name: str) -> Prepare:
    """What the command `verify` does: a version compared with its manifest."""

    def prepare(task: Task) -> Callable[[], Any]:
        from selenite import Registry

        root = task.data[name]
        version = task.scratch / "registry" / "p" / "a" / "v"
        version.mkdir(parents=True)
        digests = ours.digest_files(_paths(task, name))
        entries = {
            path: {"size": (root / path).stat().st_size, "md5sum": digest}
            for path, digest in zip(files_below(root), digests, strict=True)
        }
        (version / "..manifest").write_text(json.dumps(entries))
        registry = Registry("gobbler", registry=task.scratch / "registry")
        manifest = registry["p"]["a"]["v"].manifest

        def run() -> list[str]:
            return [str(one.md5sum) for one in manifest.check(root) if one.state == "ok"]

        return run

    return prepare


def _read(name: str) -> Prepare:
    def prepare(task: Task) -> Callable[[], Any]:
        return task.floor("read", THREADS, str(task.list_file(_paths(task, name))))

    return prepare


CASES = (
    Case(
        rows=(
            Row("H1", "MD5 of S", "selenite", ("8 KiB loop",), 6, 7, "read"),
            Row("H2", "MD5 of S, to reading alone", "selenite", ("read",), 0.85, 0.92),
        ),
        contestants=(
            Contestant("selenite", _selenite("S"), "ours"),
            Contestant("8 KiB loop", _pieces("S"), "plain"),
            Contestant("read", _read("S"), "plain", is_floor=True),
        ),
        needs=("S",),
        check=same,
    ),
    Case(
        rows=(
            Row("H3", "MD5 of M, AVX-512", "avx512", ("file_digest",), 10, 12, "read"),
            Row("H4", "MD5 of M, AVX2", "avx2", ("file_digest",), 8.5, 10, "read"),
            Row("H5", "MD5 of M, to reading alone", "selenite", ("read",), 0.5, 0.65),
        ),
        contestants=(
            Contestant("selenite", _selenite("M"), "ours"),
            Contestant(
                "avx512",
                _selenite("M", needs="avx512f"),
                "ours",
                environment={"SELENITE_DIGEST": "avx512"},
            ),
            Contestant(
                "avx2",
                _selenite("M", needs="avx2"),
                "ours",
                environment={"SELENITE_DIGEST": "avx2"},
            ),
            Contestant("file_digest", _file_digest("M"), "plain"),
            Contestant("read", _read("M"), "plain", is_floor=True),
        ),
        needs=("M",),
        check=same,
    ),
    Case(
        rows=(Row("H6", "MD5 of B", "selenite", ("file_digest", "md5sum"), 1.1, 1.15, "read"),),
        contestants=(
            Contestant("selenite", _selenite("B"), "ours"),
            Contestant("file_digest", _file_digest("B"), "plain"),
            Contestant("md5sum", _md5sum("B"), "plain"),
            Contestant("read", _read("B"), "plain", is_floor=True),
        ),
        needs=("B",),
        check=same,
    ),
    Case(
        rows=(Row("H7", "SHA-256 of M", "selenite", ("file_digest",), 1.7, 2.1, "read"),),
        contestants=(
            Contestant("selenite", _selenite("M", "sha256"), "ours"),
            Contestant("file_digest", _file_digest("M", "sha256"), "plain"),
            Contestant("read", _read("M"), "plain", is_floor=True),
        ),
        needs=("M",),
        check=same,
    ),
    Case(
        rows=(
            Row(
                "H8",
                "verify L, to its digests alone",
                "verify",
                ("digest_files",),
                0.8,
                0.9,
                "read",
            ),
        ),
        contestants=(
            Contestant("verify", _verify("L"), "ours"),
            Contestant("digest_files", _selenite("L"), "ours"),
            Contestant("read", _read("L"), "plain", is_floor=True),
        ),
        needs=("L",),
        check=same,
    ),
)
