"""The original client and ours live the same life with our service, and share a cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support import bucket as support
from support.bucket import Gypsum

LIFE = Path(support.__file__).with_name("gypsum_life.py")


def live(client: str, work: Path) -> list[Any]:
    """Run the life with a fresh service in an interpreter of its own and return its facts."""
    work.mkdir()
    with support.serving() as service:
        command = [sys.executable, "-I", str(LIFE), client]
        places = [service.url, service.github_url, str(work)]
        # The original takes its defaults from here, when it is imported (D4).
        environment = {**os.environ, "GYPSUM_CACHE_DIR": str(work / "cache")}
        done = subprocess.run(
            [*command, *places], capture_output=True, text=True, timeout=300, env=environment
        )
    assert done.returncode == 0, done.stderr
    told = done.stdout.replace(service.url, "URL").replace(str(work), "WORK")
    facts: list[Any] = json.loads(told)
    return facts


def test_both_clients_live_the_same_life(original_client: Path, tmp_path: Path) -> None:
    theirs = live(str(original_client), tmp_path / "their-work")
    ours = live("-", tmp_path / "our-work")
    assert len(theirs) > 200
    assert ours == theirs


SAVE = """
import sys
client, url, cache, work = sys.argv[1:]
if client != "-": sys.path.insert(0, client)
import gypsum_client as g
print(g.__file__)
print(g.save_version("test-R", "basic", "v3", cache_dir=cache, url=url))
"""


def test_each_client_uses_the_cache_of_the_other(
    gypsum: Gypsum, original_client: Path, tmp_path: Path
) -> None:
    def save(client: str, url: str, cache: Path) -> list[str]:
        command = [sys.executable, "-I", "-c", SAVE, client, url, str(cache), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    nowhere = "http://127.0.0.1:9"
    for one, other in ((str(original_client), "-"), ("-", str(original_client))):
        cache = tmp_path / f"cache-{len(one)}"
        first, second = save(one, gypsum.url, cache), save(other, nowhere, cache)
        assert first[0] != second[0]
        assert first[1] == second[1]
        folder = Path(first[1])
        assert (folder / "blah.txt").read_text() == support.BLAH
        for name in ("v1/blah.txt", "v3/foo/bar.txt", "v3/..manifest", "v3/..summary"):
            assert (folder.parent / name).exists(), name
        assert (cache / "status" / "test-R" / "basic" / "v3" / "COMPLETE").exists()
