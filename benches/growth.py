"""How cost grows with the number of files: time of each step for one file, and peak memory.

python benches/growth.py [--work DIRECTORY] [--files 1000,10000,100000,1000000]
"""

from __future__ import annotations

import argparse
import getpass
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = 1000
"""Files in one directory."""


def make(root: Path, count: int) -> None:
    """Make small files of different contents."""
    for number in range(count):
        if number % FOLDER == 0:
            folder = root / f"d{number // FOLDER:04}"
            folder.mkdir(parents=True)
        (folder / f"f{number:07}").write_bytes(b"%d\n" % number * 8)


def peak(pid: int | str = "self") -> int:
    """The most memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def measure(source: Path, work: Path, count: int, answer: Any) -> None:
    """Walk, hash, upload and validate, in a process of its own."""
    import pygobbler
    from cases import ours

    def timed(call: Callable[[], Any]) -> float:
        begin = time.perf_counter()
        call()
        return (time.perf_counter() - begin) / count * 1e6

    def walk() -> list[str]:
        return [f"{source}/{path}" for path in ours.walk(os.fspath(source))]

    def upload() -> None:
        pygobbler.upload_directory("p", "a", "v", os.fspath(source), staging=staging, url=url)

    def validate() -> None:
        pygobbler.validate_version("p", "a", "v", staging=staging, url=url)

    paths = walk()
    found = {"walk": timed(walk), "hash": timed(lambda: ours.digest_files(paths))}
    found["client before"] = peak() / 2**20
    _, staging, _, url = pygobbler.start_gobbler(work / "staging", work / "registry")
    pygobbler.create_project("p", owners=[getpass.getuser()], staging=staging, url=url)
    found |= {"upload": timed(upload), "validate": timed(validate)}
    found["client"] = peak() / 2**20
    # The name of the module is hidden by that of the function.
    service = sys.modules["pygobbler.start_gobbler"].test_process
    found["service"] = peak(service.pid) / 2**20
    pygobbler.stop_gobbler()
    answer.send(found)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", help="directory for files; by default a temporary one")
    parser.add_argument("--files", default="1000,10000,100000,1000000", help="how many")
    options = parser.parse_args()
    columns = ("walk", "hash", "upload", "validate", "client", "client before", "service")
    print("| files | " + " | ".join(columns) + " |")
    print("|" + " --- |" * (len(columns) + 1))
    for count in map(int, options.files.split(",")):
        work = Path(tempfile.mkdtemp(dir=options.work))
        try:
            make(work / "source", count)
            (work / "staging").mkdir()
            (work / "registry").mkdir()
            receiver, sender = multiprocessing.Pipe(duplex=False)
            task = (work / "source", work, count, sender)
            process = multiprocessing.get_context("spawn").Process(target=measure, args=task)
            process.start()
            sender.close()
            found = receiver.recv()
            process.join()
        finally:
            shutil.rmtree(work, ignore_errors=True)
        cells = " | ".join(f"{found[column]:.3g}" for column in columns)
        print(f"| {count:,} | {cells} |", flush=True)
    print("\nTimes in microseconds for one file, memory in MiB.")


if __name__ == "__main__":
    main()
