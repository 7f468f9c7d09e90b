"""The original client and ours live the same life with our service."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import service as support_service
from support.service import Service

LIFE = Path(support_service.__file__).with_name("life.py")


def live(service: Service, client: str, work: Path) -> list[Any]:
    """Run the life in an interpreter of its own and return its facts."""
    work.mkdir()
    places = [str(service.staging), str(service.registry), service.url, str(work)]
    command = [sys.executable, "-I", str(LIFE), client, *places]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    facts: list[Any] = json.loads(done.stdout)
    return facts


def test_both_clients_live_the_same_life(
    serve: Callable[..., Service], original_client: Path, tmp_path: Path
) -> None:
    theirs = live(serve("theirs"), str(original_client), tmp_path / "their-work")
    ours = live(serve("ours"), "-", tmp_path / "our-work")
    assert len(theirs) > 200
    assert ours == theirs


def test_the_original_is_really_another_package(original_client: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import pygobbler as p; print(p.__file__)\n"
        "assert 'selenite' not in sys.modules"
    )
    command = [sys.executable, "-I", "-c", code, str(original_client)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(original_client)


def test_each_client_reads_the_cache_of_the_other(
    serve: Callable[..., Service], original_client: Path, tmp_path: Path
) -> None:
    """What one fetched, the other uses without asking the service again."""
    service = serve()
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content")
    code = (
        "import sys\n"
        "client, staging, registry, url, cache, source, step = sys.argv[1:]\n"
        "if client != '-': sys.path.insert(0, client)\n"
        "import pygobbler as p\n"
        "if step == 'upload':\n"
        "    p.create_project('p', staging=staging, url=url)\n"
        "    p.upload_directory('p', 'a', 'v', source, staging=staging, url=url)\n"
        "    raise SystemExit\n"
        "print(p.version_path('p', 'a', 'v', registry=registry, url=url, cache=cache,\n"
        "                     force_remote=True))\n"
    )

    def run(client: str, cache: Path, step: str) -> str:
        places = [str(service.staging), str(service.registry), service.url]
        arguments = [client, *places, str(cache), str(source), step]
        command = [sys.executable, "-I", "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    run("-", tmp_path / "x", "upload")
    paths = {}
    for first, cache in (("-", tmp_path / "ours"), (str(original_client), tmp_path / "theirs")):
        paths[first] = run(first, cache, "fetch")
    service.kill()
    assert run("-", tmp_path / "theirs", "read") == paths[str(original_client)]
    assert run(str(original_client), tmp_path / "ours", "read") == paths["-"]
