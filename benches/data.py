"""The files that the benchmarks work on, the same for the same scale on every machine."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
_BLOCK = 16 * MIB

DESCRIPTIONS = {
    "S": "20,000 files of 4 KiB in 100 directories",
    "M": "200 files of 4 MiB",
    "L": "200 files of 8 to 12 MiB",
    "B": "one file of 2 GiB",
    "D": "one file of 1 GiB",
    "W": "200,000 empty files in 1,000 directories",
    "J": "a manifest of 200,000 entries",
    "U": "1,000 files of 1 MiB",
    "N": "2,000 files of 4 KiB in 10 directories, at any scale",
}


def _plan(name: str, scale: float) -> Iterator[tuple[str, int]]:
    """Paths and sizes of a set."""

    def count(full: int) -> int:
        return max(1, round(full * scale))

    if name == "S":
        yield from ((f"d{n // 200:02}/f{n:05}", 4 * KIB) for n in range(count(20_000)))
    elif name == "M":
        yield from ((f"d{n // 50}/f{n:03}", 4 * MIB) for n in range(count(200)))
    elif name == "L":
        sizes = random.Random("L")
        for n in range(count(200)):
            yield f"d{n // 50}/f{n:03}", sizes.randrange(8 * MIB, 12 * MIB)
    elif name == "B":
        yield "file", count(2048) * MIB
    elif name == "D":
        yield "file", count(1024) * MIB
    elif name == "W":
        yield from ((f"d{n // 200:03}/f{n:06}", 0) for n in range(count(200_000)))
    elif name == "N":
        yield from ((f"d{n // 200}/f{n:04}", 4 * KIB) for n in range(2000))
    elif name == "U":
        yield from ((f"f{n:04}", MIB) for n in range(count(1000)))


class Content:
    """Bytes that differ from file to file, made faster than they can be written."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self._block = memoryview(self._random.randbytes(_BLOCK))

    def pieces(self, size: int) -> Iterator[bytes | memoryview]:
        """The content of the next file."""
        head = self._random.randbytes(min(size, 64))
        yield head
        left = size - len(head)
        start = self._random.randrange(_BLOCK // 2)
        while left > 0:
            piece = self._block[start : start + min(left, _BLOCK - start)]
            yield piece
            left -= len(piece)
            start = 0


def _manifest(entries: int) -> dict[str, object]:
    numbers = random.Random("J")
    made: dict[str, object] = {}
    for n in range(entries):
        entry: dict[str, object] = {
            "size": numbers.randrange(10**7),
            "md5sum": f"{numbers.getrandbits(128):032x}",
        }
        path = f"samples/batch-{n % 100:02}/sample {n:06}/counts.h5"
        if n % 3 == 0:
            link = {"project": "atlas", "asset": "counts", "version": "2024-01", "path": path}
            entry["link"] = link
            if n % 6 == 0:
                link = {**link, "version": "2023-07"}
                entry["link"] = {**entry["link"], "ancestor": link}  # type: ignore[dict-item]
        made[path] = entry
    return made


def needed(names: Iterable[str], scale: float) -> int:
    """Bytes that these sets take on a disk with blocks of 4 KiB."""
    total = 0
    for name in names:
        total += sum(max(size, KIB) + 256 for _, size in _plan(name, scale))
        total += int(80 * MIB * scale) if name == "J" else 0
    return total


def make(root: Path, names: Iterable[str], scale: float) -> dict[str, Path]:
    """Make the sets that are not there yet; returns where they are."""
    found = {name: root / name for name in sorted(set(names))}
    missing = [name for name, path in found.items() if not path.with_suffix(".done").exists()]
    root.mkdir(parents=True, exist_ok=True)
    if needed(missing, scale) * 1.5 > shutil.disk_usage(root).free:
        raise SystemExit(f"error: {root} has too little space for {', '.join(missing)}")
    for name in missing:
        shutil.rmtree(found[name], ignore_errors=True)
        found[name].mkdir()
        content = Content(name)
        folders: set[Path] = set()
        for path, size in _plan(name, scale):
            file = found[name] / path
            if file.parent not in folders:
                file.parent.mkdir(parents=True, exist_ok=True)
                folders.add(file.parent)
            with file.open("wb") as stream:
                stream.writelines(content.pieces(size))
        if name == "J":
            text = json.dumps(_manifest(max(1, round(200_000 * scale))), indent=4)
            (found[name] / "manifest.json").write_text(text)
        found[name].with_suffix(".done").touch()
    return found
