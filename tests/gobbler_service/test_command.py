"""`selenite serve gobbler`: flags, start, stop, purge."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.service import COMMAND, Gobbler, Service, exchange, wait_until
from support.tree import make, registry_state


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, which must come soon."""
    command = [str(COMMAND), "serve", "gobbler", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    """Flags for an empty staging directory and registry."""
    for name in ("staging", "registry"):
        (tmp_path / name).mkdir()
    return ["-staging", str(tmp_path / "staging"), "-registry", str(tmp_path / "registry")]


def test_staging_and_registry_are_required(places: list[str]) -> None:
    for flags in ([], places[:2], places[2:]):
        ended = run(*flags)
        assert ended.returncode == 1
        assert "-staging" in ended.stderr
        assert "-registry" in ended.stderr
        assert ended.stdout == ""


@pytest.mark.parametrize("flag", ["-nope", "--nope", "-nope=1"])
def test_an_unknown_flag_ends_it_with_two(places: list[str], flag: str) -> None:
    ended = run(*places, flag)
    assert ended.returncode == 2
    assert "nope" in ended.stderr


@pytest.mark.parametrize("flags", [["-port", "x"], ["-probation=soon"], ["-concurrency", "-"]])
def test_a_bad_number_ends_it_with_two(places: list[str], flags: list[str]) -> None:
    ended = run(*places, *flags)
    assert ended.returncode == 2
    assert flags[0].split("=")[0].strip("-") in ended.stderr


def test_missing_directories_end_it_with_one(places: list[str], tmp_path: Path) -> None:
    ended = run(*places[:2], "-registry", str(tmp_path / "nowhere"))
    assert ended.returncode == 1
    assert "nowhere" in ended.stderr


def test_a_busy_port_ends_it_with_one(places: list[str]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        ended = run(*places, "-port", port)
    assert ended.returncode == 1
    assert port in ended.stderr


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("-whitelist", "relative/path\n"),
        ("-spoof", "no colon\n"),
        ("-spoof", "too:many:colons\n"),
    ],
)
def test_a_bad_file_ends_it_with_one(
    places: list[str], tmp_path: Path, flag: str, text: str
) -> None:
    (tmp_path / "file").write_text(text)
    ended = run(*places, flag, str(tmp_path / "file"))
    assert ended.returncode == 1
    assert f"{tmp_path}/file:1" in ended.stderr
    ended = run(*places, flag, str(tmp_path / "missing"))
    assert ended.returncode == 1
    assert "missing" in ended.stderr


def test_blank_lines_and_comments_are_no_entries(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("\n# a comment\n\n")
    for flag in ("-whitelist", "-spoof"):
        serve(flag, flags=["-durable=false", flag, str(tmp_path / "file")])


@pytest.mark.parametrize("prefix", ["foo", "foo/bar"])
def test_a_prefix_stands_before_every_endpoint(serve: Callable[..., Service], prefix: str) -> None:
    service = serve(prefix=prefix)
    gobbler = service.gobbler
    assert gobbler.request("create_project", {"project": "p"}).status == 200
    assert "p/" in gobbler.get("/list").json()
    bare = f"http://127.0.0.1:{service.port}"
    assert exchange(bare, "GET", "/info").status == 405


def test_only_loopback_is_served(serve: Callable[..., Service]) -> None:
    port = serve().port
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", port)) != 0
    port = serve("all", flags=["-durable=false", "-host", "0.0.0.0"]).port
    socket.create_connection(("127.0.0.2", port), 5).close()


def test_one_line_per_request_goes_to_stderr(serve: Callable[..., Service]) -> None:
    service = serve()
    before = len(service.log.read_text().splitlines())
    gobbler = service.gobbler
    gobbler.request("create_project", {"project": "p"})
    gobbler.request("create_project", {"project": "p"})
    gobbler.get("/list?path=secret%0Aline")
    service.stop()
    lines = service.log.read_text().splitlines()[before:]
    made = [line for line in lines if "request-create_project-" in line]
    assert len(made) == 2
    assert "200" in made[0]
    assert "400" in made[1]
    assert len([line for line in lines if "/list" in line]) == 1
    assert not any(line.startswith("line") for line in lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_service_stops_at_once(
    serve: Callable[..., Service], number: signal.Signals
) -> None:
    service = serve()
    with socket.create_connection(("127.0.0.1", service.port)):
        begin = time.perf_counter()
        assert service.stop(number) == 0
        assert time.perf_counter() - begin < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_being_done_is_finished_or_undone(
    serve: Callable[..., Service], number: signal.Signals
) -> None:
    """A stop in the middle of an upload leaves the whole version, or nothing of it."""
    service = serve()
    gobbler = service.gobbler
    assert gobbler.request("create_project", {"project": "p"}).status == 200
    before = registry_state(gobbler.registry)
    content = os.urandom(1 << 20) * 64
    make(service.staging / "s", {f"f{count}": content + bytes([count]) for count in range(4)})
    names = {"project": "p", "asset": "a", "version": "v", "source": "s"}
    statuses: list[int] = []

    def send() -> None:
        try:
            statuses.append(gobbler.request("upload", names).status)
        except OSError:
            statuses.append(0)

    thread = threading.Thread(target=send)
    thread.start()
    asset = gobbler.path("p", "a")
    wait_until(lambda: statuses or any(asset.glob("*/f*")), "the transfer has begun")
    assert service.stop(number) == 0
    thread.join()
    if statuses == [200]:
        gobbler = service.start()
        assert gobbler.request("validate_version", names).status == 200
    else:
        assert registry_state(gobbler.registry) == before
        gobbler = service.start()
        assert gobbler.request("upload", names).status == 200


def test_what_was_moved_to_staging_a_moment_ago_outlives_a_purge(tmp_path: Path) -> None:
    service = Service(tmp_path / "service")
    logs = service.registry / "..logs"
    logs.mkdir()
    results = make(tmp_path / "results", {"of/last/year": "1"})
    for path in (results / "of/last/year", results / "of/last", results / "of", results):
        os.utime(path, (1, 1))
    (logs / "2001-01-01T00:00:00Z_123456").write_text("{}")
    (logs / "fresh").write_text("{}")
    os.utime(logs / "2001-01-01T00:00:00Z_123456", (1, 1))
    results.rename(service.staging / "results")
    with service:
        # Logs are purged last.
        wait_until(lambda: os.listdir(logs) == ["fresh"], "old logs are purged")
    assert (service.staging / "results/of/last/year").read_text() == "1"


def test_probational_versions_are_purged_in_time(tmp_path: Path) -> None:
    root = tmp_path / "service"
    with Service(root) as service:
        gobbler = service.gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        for version, probational in (("old", True), ("new", True), ("approved", False)):
            make(service.staging / version, {"f": version})
            names = {"project": "p", "asset": "a", "version": version, "source": version}
            request = {**names, "on_probation": probational}
            assert gobbler.request("upload", request).status == 200
        for version in ("old", "approved"):
            summary = gobbler.path("p", "a", version, "..summary")
            summary.write_text(
                re.sub(r'(finish": ")[^"]*', r"\g<1>2020-01-01T00:00:00Z", summary.read_text())
            )
    flags = ["-durable=false", "-probation", "5"]
    with Service(root, flags=flags) as service:
        gobbler = service.gobbler
        wait_until(lambda: not gobbler.path("p", "a", "old").exists(), "it is purged")
        wait_until(lambda: gobbler.read("p", "..usage") == {"total": 11}, "usage follows")
        assert gobbler.path("p", "a", "new").is_dir()
        assert gobbler.path("p", "a", "approved").is_dir()


def test_a_leftover_of_a_crash_is_no_version_and_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "service"
    with Service(root) as service:
        gobbler = service.gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        make(service.staging / "s", {"f": "1"})
        names = {"project": "p", "asset": "a", "version": "v", "source": "s"}
        assert gobbler.request("upload", names).status == 200
    make(root / "registry" / "p" / "a" / "..tmp-crashed", {"f": "half"})
    with Service(root) as service:
        gobbler = service.gobbler
        assert gobbler.request("upload", {**names, "version": "w"}).status == 200
        assert not gobbler.path("p", "a", "..tmp-crashed").exists()
        assert gobbler.request("refresh_usage", {"project": "p"}).json()["total"] == 1


def test_acknowledged_is_durable_unless_told_otherwise(
    serve: Callable[..., Service],
) -> None:
    """Both settings give the same registry; only what a power cut leaves differs."""
    states = []
    for name, flags in (("durable", []), ("quick", ["-durable=false"])):
        gobbler: Gobbler = serve(name, flags=flags).gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        make(Path(gobbler.staging, "s"), {"a/b": "1", "c": "2"})
        names = {"project": "p", "asset": "a", "version": "v", "source": "s"}
        assert gobbler.request("upload", names).status == 200
        state = registry_state(gobbler.registry)
        states.append({path: node for path, node in state.items() if "..summary" not in path})
    assert states[0] == states[1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the limits of another process")
def test_the_service_may_open_as_many_files_as_the_system_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough_to_start = len(list(Path("/proc/self/fd").iterdir())) + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(enough_to_start, soft), hard))
    try:
        service = Service(tmp_path)
        with service:
            assert service.process is not None
            limits = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limits == (hard, hard)


@pytest.mark.parametrize("mode", [0o777, 0o707])
def test_a_staging_directory_where_others_may_rename_is_refused(tmp_path: Path, mode: int) -> None:
    service = Service(tmp_path)
    service.staging.chmod(mode)
    with pytest.raises(AssertionError, match=r"sticky bit.* `chmod \+t` .*`-insecure-staging`"):
        service.start()
    with Service(tmp_path / "sticky"):
        pass
    service.flags.append("-insecure-staging")
    service.staging.chmod(mode)
    with service:
        wait_until(lambda: "warning: " in service.log.read_text(), "there is a warning")


def test_nobody_else_can_hold_the_locks(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service:
        gobbler = service.gobbler
        assert gobbler.request("create_project", {"project": "p"}).status == 200
        make(service.staging / "s", {"f": "1"})
        names = {"project": "p", "asset": "a", "version": "v", "source": "s"}
        assert gobbler.request("upload", names).status == 200
    locks = sorted(service.registry.rglob("..LOCK*"))
    assert len(locks) >= 5
    assert {lock.stat().st_mode & 0o777 for lock in locks} == {0o600}
    # As another service, or one of before, has left them.
    for lock in locks:
        lock.chmod(0o644)
    with service:
        wait_until(
            lambda: {lock.stat().st_mode & 0o777 for lock in locks} == {0o600},
            "all locks are closed to others",
        )


def test_its_url_can_be_read_from_standard_output(places: list[str]) -> None:
    flags = [*places, "-port", "0", "-print-url", "-log-format=json", "-insecure-staging"]
    with subprocess.Popen(
        [str(COMMAND), "serve", "gobbler", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().decode().strip()
        assert exchange(url, "GET", "/info").status == 200
        process.terminate()
        lines = process.stderr.read().decode().splitlines()
    assert f"listening on {url}" in [json.loads(line)["message"] for line in lines]


def test_what_is_wrong_is_said_last(places: list[str]) -> None:
    ended = run(*places, "-nope")
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("Usage: selenite serve gobbler")
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    ended = run(*places[:2], "-registry", "nope")
    assert ended.stderr == (
        "error: invalid -registry: `nope` is no directory\n"
        "hint: make it once, by `mkdir DIRECTORY`\n"
    )
