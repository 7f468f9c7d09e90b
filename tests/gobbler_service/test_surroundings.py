"""What a service finds where it is started: few descriptors, closed streams, odd clocks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pygobbler as pyg
import pytest
from support import gypsum
from support.memory import memory
from support.service import COMMAND, Service

# As in a chroot that has none.
WITHOUT_PROC = 'exec unshare -m sh -c \'mount -t tmpfs none /proc && exec "$@"\' sh "$@"'


def can_hide_proc() -> bool:
    """Only root can, and in most containers not even root."""
    command = ["sh", "-c", WITHOUT_PROC, "sh", "true"]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def test_few_descriptors_are_enough(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(os.urandom(9 << 20))
    for number in range(102):
        (source / f"f{number}").write_bytes(b"%d" % number)
    with Service(tmp_path, within='ulimit -n 64; exec "$@"') as service:
        place = service.gobbler
        pyg.create_project("p", **place.writer)
        with ExitStack() as idle:  # more connections than there can be descriptors
            for _ in range(80):
                address = ("127.0.0.1", service.port)
                idle.enter_context(socket.create_connection(address, 5))
            for version in ("v1", "v2", "v3"):
                pyg.upload_directory("p", "a", version, str(source), **place.writer)
                cache = str(tmp_path / f"cache-{version}")
                pyg.fetch_directory(f"p/a/{version}", **place.remote, cache=cache)
                pyg.validate_version("p", "a", version, **place.writer)
        assert "too many open files" not in service.log.read_text().lower()


def test_closed_standard_streams_are_not_used_for_files(tmp_path: Path) -> None:
    with Service(tmp_path, within='exec "$@" <&- >&- 2>&-') as service:
        pyg.create_project("p", **service.gobbler.writer)
        assert service.process is not None
        streams = Path(f"/proc/{service.process.pid}/fd")
        if streams.exists():
            assert {os.readlink(streams / str(number)) for number in range(3)} == {"/dev/null"}


@pytest.fixture
def keeps_all_times(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system that takes times of any year, where there is one."""
    with tempfile.TemporaryDirectory(dir=memory(1 << 20) or tmp_path) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_times_that_no_header_can_say(keeps_all_times: Path) -> None:
    with Service(keeps_all_times) as service:
        place = service.gobbler
        pyg.create_project("p", **place.writer)
        version = place.path("p", "a", "v")
        version.mkdir(parents=True)
        for seconds in (-1230768000, 0, 13569465600, 253402300799, 253402300800, 1 << 40):
            (version / "f").write_bytes(b"content")
            os.utime(version / "f", (seconds, seconds))
            answer = place.get("/fetch/p/a/v/f")
            assert (answer.status, answer.body) == (200, b"content"), seconds
            kept = (version / "f").stat().st_mtime
            assert ("last-modified" in answer.headers) == (0 < kept < 253402300800), seconds
            os.utime(version, (seconds, seconds))
            assert place.get("/fetch/p/a/v/").status == 200


@pytest.mark.skipif(not can_hide_proc(), reason="/proc cannot be hidden here")
def test_without_proc(tmp_path: Path) -> None:
    with Service(tmp_path / "gobbler", within=WITHOUT_PROC) as service:
        place = service.gobbler
        pyg.create_project("p", **place.writer)
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "f").write_text("content")
        for version in ("v1", "v2"):  # the second one has a link
            pyg.upload_directory("p", "a", version, str(tmp_path / "source"), **place.writer)
        assert place.get("/fetch/p/a/v2/f").body == b"content"
        assert place.get("/fetch/p/a/").status == 200
    (tmp_path / "tokens").write_text(json.dumps({"admin-token": {"login": "root-admin"}}))
    (tmp_path / "tokens").chmod(0o600)
    (tmp_path / "registry").mkdir()
    options = ["--registry", tmp_path / "registry", "--tokens", tmp_path / "tokens"]
    command = ["sh", "-c", WITHOUT_PROC, "sh", COMMAND, "serve", "gypsum", *options]
    command += ["--admin", "root-admin", "--not-durable"]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            api = gypsum.Api(process.stderr.readline().split()[-1], tmp_path / "registry")
            api.create("p")
            api.upload("p/a/v", {"d/f": b"content"}, token="admin-token")
            api.upload("p/a/w", {"f": b"content"}, token="admin-token")
            assert api.get("p/a/v/d/f").body == b"content"
        finally:
            process.kill()


def test_pages_of_others_cannot_reach_it(serve: Callable[..., Service], tmp_path: Path) -> None:
    evil = {"Host": "evil.example:8080"}
    service = serve()
    for path in ("/info", "/list", "/fetch/", "/new/request-x"):
        method = "POST" if path.startswith("/new") else "GET"
        answer = gypsum.exchange(service.url, method, path, evil)
        assert answer.status == 421, path
        assert "-allow-host" in answer.reason
    with Service(tmp_path / "named", flags=["-allow-host", "other,evil.example"]) as named:
        assert gypsum.exchange(named.url, "GET", "/info", evil).status == 200
    with gypsum.server(tmp_path / "registry") as running:
        refused = gypsum.exchange(running.url, "GET", "/list", evil)
        assert refused.status == 421
        assert "--allow-host" in refused.reason
    with gypsum.server(tmp_path / "other", hosts=["evil.example"]) as running:
        assert gypsum.exchange(running.url, "GET", "/list", evil).status == 200
    with gypsum.server(tmp_path / "third", public_url="https://evil.example/x") as running:
        assert gypsum.exchange(running.url, "GET", "/list", evil).status == 200
