"""Walk a directory through a registry and print what happens.

    walkthrough.py [DIRECTORY]

Without a directory, one is generated. The service, its registry and all copies are temporary.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pygobbler as pyg

T = TypeVar("T")


def step(what: str, call: Callable[[], T]) -> T:
    """Run one step; print what it was and how long it took."""
    begin = time.perf_counter()
    result = call()
    print(f"{(time.perf_counter() - begin) * 1000:9.1f} ms  {what}")
    return result


def generate(root: Path) -> Path:
    """Make a directory with files of several sizes, an empty one, a link and an empty directory."""
    for number in range(200):
        file = root / f"samples/s{number % 10}/reads {number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"read {number}\n" * number)
    (root / "matrix.bin").write_bytes(os.urandom(1 << 20) * 32)
    (root / "samples" / "latest").symlink_to("s9/reads 199.txt")
    (root / "to do").mkdir()
    return root


def same(first: Path, second: Path, names: list[str]) -> None:
    """Compare files byte by byte."""
    for name in names:
        if (first / name).read_bytes() != (second / name).read_bytes():
            raise SystemExit(f"error: {name} differs")


def main(work: Path, directory: Path) -> None:
    """Walk."""
    _, staging, registry, url = step("start the service", pyg.start_gobbler)
    writer: dict[str, Any] = {"staging": staging, "url": url}
    reader: dict[str, Any] = {"registry": registry, "url": url, "force_remote": True}
    cache = str(work / "cache")
    names = ("demo", "walk", "v1")
    print(f"{'':13}service at {url}, registry in {registry}")

    step("create the project `demo`", lambda: pyg.create_project("demo", **writer))
    step(
        f"upload {directory} as demo/walk/v1",
        lambda: pyg.upload_directory(*names, str(directory), **writer),
    )
    manifest = step("fetch the manifest", lambda: pyg.fetch_manifest(*names, **reader, cache=cache))
    files = [name for name, entry in manifest.items() if entry["md5sum"]]
    size = sum(entry["size"] for entry in manifest.values())
    print(f"{'':13}{len(files)} files, {size / 1e6:.1f} MB")
    listed = step("list it", lambda: pyg.list_files(*names, include_dotdot=False, **reader))
    print(f"{'':13}{len(listed)} paths, such as {', '.join(listed[:3])}")
    fetched = step(
        "fetch it over HTTP into an empty cache",
        lambda: pyg.version_path(*names, **reader, cache=cache),
    )
    step("compare every byte with the original", lambda: same(directory, Path(fetched), files))
    step("fetch it again", lambda: pyg.version_path(*names, **reader, cache=cache))
    step("let the service validate it", lambda: pyg.validate_version(*names, **writer))

    names = ("demo", "walk", "v2")
    step(
        "upload it again, on probation, as demo/walk/v2",
        lambda: pyg.upload_directory(*names, str(directory), probation=True, **writer),
    )
    linked = sum("link" in entry for entry in pyg.fetch_manifest(*names, registry, url).values())
    usage = pyg.fetch_usage("demo", registry, url)
    print(f"{'':13}{linked} links; the project uses {usage / 1e6:.1f} MB")
    step("approve it", lambda: pyg.approve_probation(*names, **writer))
    print(f"{'':13}latest version: {pyg.fetch_latest('demo', 'walk', registry, url)}")

    gone = [{"project": "demo", "asset": "walk", "version": "v1"}]
    changes = step("reroute links away from v1", lambda: pyg.reroute_links(gone, **writer))
    print(f"{'':13}{len(changes)} links rerouted")
    step("remove v1", lambda: pyg.remove_version("demo", "walk", "v1", **writer))
    step("validate v2", lambda: pyg.validate_version(*names, **writer))
    step("remove the project", lambda: pyg.remove_project("demo", **writer))
    step("stop the service", pyg.stop_gobbler)
    print("All went well.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as temporary:
        place = Path(temporary)
        main(place, Path(sys.argv[1]) if sys.argv[1:] else generate(place / "generated"))
