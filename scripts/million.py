"""Compare and list a version of a million files in less than 300 MB: million.py WORK [FILES]."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

MOST_KB = 300_000
FOLDER = 1000
TIME = "2026-01-01T00:00:00Z"


def make(registry: Path, version: str, files: int) -> None:
    """Write a version of empty files; the last one of each folder says which version it is."""
    place = registry / "p" / "a" / version
    digests = {text: hashlib.md5(text.encode()).hexdigest() for text in ("", version)}
    place.mkdir(parents=True)
    with (place / "..manifest").open("w") as manifest:
        for number in range(files):
            folder, last = f"folder{number // FOLDER:05}", number % FOLDER == FOLDER - 1
            text = version if last else ""
            if number % FOLDER == 0:
                (place / folder).mkdir()
            path = f"{folder}/sample_{number:07}.txt"
            entry = {"size": len(text), "md5sum": digests[text]}
            manifest.write(f"{',' if number else '{'}{json.dumps(path)}:{json.dumps(entry)}")
            with open(place / path, "w") as file:  # noqa: PTH123 (a million times)
                file.write(text)
        manifest.write("}")
    summary = {"upload_user_id": "x", "upload_start": TIME, "upload_finish": TIME}
    (place / "..summary").write_text(json.dumps(summary))


def main() -> int:
    """Run the commands; return 1 if one of them takes more memory."""
    work = Path(sys.argv[1])
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    registry, is_well = work / "registry", True
    for version in ("v1", "v2"):
        make(registry, version, files)
    for words in (
        ["verify", "gobbler:p/a/v1"],
        ["verify", "gobbler:p/a/v1", "--format", "jsonl"],
        ["ls", "gobbler:p/a/v1", "--format", "jsonl"],
        ["diff", "gobbler:p/a/v1", "gobbler:p/a/v2", "--format", "jsonl"],
    ):
        began = time.monotonic()
        with (work / "out").open("wb") as out:
            command = ["selenite", *words, "--registry", str(registry)]
            child = subprocess.Popen(command, stdout=out)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        with (work / "out").open("rb") as out:
            lines = sum(1 for _ in out)
        seconds = time.monotonic() - began
        print(f"{' '.join(words)}: {lines} lines, {used.ru_maxrss} kB, {seconds:.0f} s", flush=True)
        is_well &= child.returncode == 0 and used.ru_maxrss < MOST_KB
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
