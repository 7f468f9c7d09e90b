"""Many small files of an upload go in archives where the service takes them."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
import selenite
from selenite import _core
from support.bucket import OWNER, Gypsum
from support.proxy import Fault, Plan, Proxy, at, between
from support.tree import Tree, make, read

TREE: Tree = {f"d{number % 3}/é{number}": b"%d" % number * number for number in range(100)}
LARGE: Tree = {**TREE, "large": b"0123456789abcdef" * 100_000}
ARCHIVE = "PUT /upload/archive/"


@pytest.fixture
def project(empty: Gypsum) -> Gypsum:
    """A service with the project `p`, whose owner is `alice`."""
    gyp.create_project("p", "alice", **empty.writer)
    return empty


def put(url: str, folder: Path, **more: Any) -> None:
    cache = folder.parent / "no-cache"
    gyp.upload_directory(folder, "p", "a", "v", cache_dir=cache, url=url, token=OWNER, **more)


def content(tree: Tree) -> Tree:
    return dict(sorted(tree.items()))


def stored(project: Gypsum) -> Tree:
    return dict(sorted(read(project.path("p", "a", "v")).items()))


def sent(project: Gypsum, folder: Path, plan: Plan, **more: Any) -> Proxy:
    with between(project.url, plan) as proxy:
        put(proxy.url, folder, **more)
    return proxy


def test_small_files_go_together_and_large_ones_alone(project: Gypsum, tmp_path: Path) -> None:
    proxy = sent(project, make(tmp_path / "source", LARGE), lambda *_: None)
    assert stored(project) == content(LARGE)
    # What the service can do was said when the upload started.
    assert proxy.count("POST /upload/presigned-file/") == 0
    assert proxy.count("POST /upload/presigned-files") == 1
    assert proxy.count("PUT /upload/object/") == 1
    assert 1 <= proxy.count(ARCHIVE) <= 16


def test_few_files_go_alone(project: Gypsum, tmp_path: Path) -> None:
    few = dict(list(TREE.items())[:15])
    proxy = sent(project, make(tmp_path / "source", few), lambda *_: None)
    assert stored(project) == content(few)
    assert (proxy.count(ARCHIVE), proxy.count("PUT /upload/object/")) == (0, 15)


AGAIN = {"Retry-After": "0"}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(503, AGAIN),
        Fault(429, AGAIN),
        Fault(500, AGAIN),
        Fault(reset="before"),
        Fault(reset="middle"),
        Fault(reset="after"),
    ],
)
def test_what_breaks_off_is_sent_again(project: Gypsum, tmp_path: Path, fault: Fault) -> None:
    proxy = sent(project, make(tmp_path / "source", TREE), at(ARCHIVE, fault, 2))
    assert stored(project) == content(TREE)
    assert proxy.count("PUT /upload/object/") == 0
    assert proxy.count(ARCHIVE) >= 3


@pytest.mark.parametrize(
    "fault", [Fault(code) for code in (400, 401, 403, 404, 413, 501)] + [Fault(503, AGAIN)]
)
def test_where_archives_are_refused_files_go_alone(
    project: Gypsum, tmp_path: Path, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    proxy = sent(project, make(tmp_path / "source", LARGE), at(ARCHIVE, fault, -1))
    assert stored(project) == content(LARGE)
    assert proxy.count("PUT /upload/object/") == len(LARGE)
    lines = [line for line in caplog.messages if line.startswith("small files are sent one by one")]
    assert len(lines) == 1
    assert str(fault.status) in lines[0]
    assert OWNER not in caplog.text


@pytest.mark.parametrize("change", ["other", "", "longer than it was"])
def test_a_file_that_has_changed_is_named(project: Gypsum, tmp_path: Path, change: str) -> None:
    folder = make(tmp_path / "source", {**TREE, "mine": "mine!"})
    session = gyp.start_upload(
        "p", "a", "v", [*TREE, "mine"], url=project.url, token=OWNER, directory=folder
    )
    (folder / "mine").write_text(change)
    with (
        between(project.url, lambda *_: None) as proxy,
        pytest.raises(ValueError, match=r"mine.*has changed since the upload was started"),
    ):
        gyp.upload_files(session, folder, url=proxy.url)
    assert proxy.count("PUT /upload/object/") == 0
    assert "mine" not in stored(project)
    gyp.abort_upload(session, url=project.url)


def test_progress_counts_each_file_once(project: Gypsum, tmp_path: Path) -> None:
    folder = make(tmp_path / "source", LARGE)
    session = gyp.start_upload(
        "p", "a", "v", list(LARGE), url=project.url, token=OWNER, directory=folder
    )
    seen: list[tuple[int, ...]] = []
    places, secret = session["file_urls"], session["session_token"]

    def note(*counts: int) -> None:
        seen.append(counts)

    with between(project.url, at(ARCHIVE, Fault(reset="after"))) as proxy:
        _core.gypsum_upload((proxy.url, True), places, secret, folder, 1, note)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert seen[-1][:4] == (size, size, len(LARGE), len(LARGE))


def test_what_was_sent_is_not_sent_again(
    project: Gypsum,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("SELENITE_JOBS", "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    caplog.set_level(logging.DEBUG, "selenite.transfer")
    # Three archives, one after the other. The second one fails, and then each file alone.
    tree: Tree = {f"f{number}": b"x" * 200_000 for number in range(100)}
    folder = make(tmp_path / "source", tree)

    def plan(method: str, path: str, before: int) -> Fault | None:
        is_late = path.startswith("/upload/archive/") and before > 0
        is_harmed = is_broken and (is_late or path.startswith("/upload/object/"))
        return Fault(507) if is_harmed else None

    where: dict[str, Any] = {"cache": tmp_path / "cache", "token": OWNER, "resume": True}
    with between(project.url, plan) as proxy:
        is_broken = True
        with pytest.raises(selenite.StatusError):
            selenite.upload(folder, "gypsum:p/a/v", endpoint=proxy.url, **where)
        first = stored(project).keys()
        assert 16 < len(first) < 84
        is_broken = False
        caplog.clear()
        proxy.asked.clear()
        selenite.upload(folder, "gypsum:p/a/v", endpoint=proxy.url, **where)
    names = [line for line in caplog.messages if line.startswith("sent ")]
    assert len(names) == len(tree) - len(first)
    assert (proxy.count(ARCHIVE), proxy.count("PUT /upload/object/")) == (2, 0)
    assert stored(project) == content(tree)


@pytest.mark.parametrize("step", [ARCHIVE, "POST /upload/complete/"])
def test_a_failed_upload_leaves_nothing(project: Gypsum, tmp_path: Path, step: str) -> None:
    folder = make(tmp_path / "source", TREE)

    def plan(method: str, path: str, _: int) -> Fault | None:
        line = f"{method} {path}"
        if line.startswith("PUT /upload/object/") or line.startswith(step):
            return Fault(418)
        return None

    with between(project.url, plan) as proxy, pytest.raises(gyp.GypsumError):
        put(proxy.url, folder)
    assert not project.is_locked("p")
    assert not project.path("p", "a", "v").exists()
    put(project.url, folder)
    assert stored(project) == content(TREE)


PEAK = """
import sys, gypsum_client as g
url, token, folder = sys.argv[1:]
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024
names = [f"f{number}" for number in range(20_000)]
session = g.start_upload("p", "a", "v", names, url=url, token=token, directory=folder)
idle = peak()
g.upload_files(session, folder, url=url)
print(peak() - idle)
g.complete_upload(session, url=url)
"""


@pytest.mark.big
def test_memory_does_not_depend_on_contents(project: Gypsum, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 1000)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20_000):
        (folder / f"f{number}").hardlink_to(tmp_path / "one")
    command = [sys.executable, "-P", "-c", PEAK, project.url, OWNER, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"{float(done.stdout):.1f} MiB above idle")
    assert float(done.stdout) < 24
