"""`start_gobbler` and `stop_gobbler`."""

from __future__ import annotations

import multiprocessing.spawn
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pygobbler as pyg
import pytest
from support.errors import refused
from support.service import COMMAND, USER, Gobbler, free_port, wait_until


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """No service before and after."""
    pyg.stop_gobbler()
    yield
    pyg.stop_gobbler()


def state() -> Any:
    return sys.modules["pygobbler.start_gobbler"]


def answers(url: str) -> bool:
    parsed = urlsplit(url)
    try:
        socket.create_connection((parsed.hostname or "", parsed.port or 0), 1).close()
    except OSError:
        return False
    return True


def test_a_fresh_service_has_directories_of_its_own_that_go_with_it() -> None:
    new, staging, registry, url = pyg.start_gobbler()
    assert new is True
    assert pyg.service_info(url) == {"staging": staging, "registry": registry}
    assert urlsplit(url).hostname == "127.0.0.1"
    assert stat.S_IMODE(os.stat(staging).st_mode) == 0o1777
    assert stat.S_IMODE(os.stat(registry).st_mode) == 0o755
    pyg.create_project("test", staging=staging, url=url)
    pyg.stop_gobbler()
    assert not os.path.exists(staging)
    assert not os.path.exists(registry)
    assert not answers(url)


def test_it_is_ready_at_once() -> None:
    pyg.start_gobbler()
    pyg.stop_gobbler()
    begin = time.perf_counter()
    _, _, _, url = pyg.start_gobbler(wait=60)
    pyg.service_info(url)
    assert time.perf_counter() - begin < 30, "a fraction of a second where nobody else is at work"


def test_a_second_start_returns_the_running_one() -> None:
    first = pyg.start_gobbler()
    second = pyg.start_gobbler()
    assert first[0] is True
    assert second == (False, *first[1:])


def test_other_arguments_of_a_second_start_are_warned_about(tmp_path: Path) -> None:
    first = pyg.start_gobbler()
    with pytest.warns(UserWarning, match="registry"):
        assert pyg.start_gobbler(registry=str(tmp_path / "other")) == (False, *first[1:])


def test_given_directories_are_made_and_kept(tmp_path: Path) -> None:
    staging, registry = str(tmp_path / "new" / "staging"), str(tmp_path / "new" / "registry")
    result = pyg.start_gobbler(staging=staging, registry=registry)
    assert result[:3] == (True, staging, registry)
    pyg.create_project("test", staging=staging, url=result[3])
    pyg.stop_gobbler()
    assert os.path.isdir(staging)
    assert os.path.isfile(os.path.join(registry, "test", "..permissions"))


def test_stopping_without_a_service_does_nothing() -> None:
    pyg.stop_gobbler()


def test_a_dead_service_is_replaced() -> None:
    _, _, _, url = pyg.start_gobbler()
    process = state().test_process
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not answers(url), "the service is gone")
    new, _, _, fresh = pyg.start_gobbler()
    assert new is True
    assert answers(fresh)


def test_stopping_reaps_the_process() -> None:
    pyg.start_gobbler()
    process = state().test_process
    pyg.stop_gobbler()
    assert process.poll() is not None
    assert state().test_process is None


def test_a_given_port_is_used() -> None:
    with free_port() as port:
        assert pyg.start_gobbler(port=port)[3] == f"http://127.0.0.1:{port}"
    assert state().test_port == port


def test_a_busy_port_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        with pytest.raises(OSError, match=str(probe.getsockname()[1])):
            pyg.start_gobbler(port=probe.getsockname()[1])
    new, _, _, url = pyg.start_gobbler()
    assert new is True
    assert answers(url)


def test_administrators_can_be_named() -> None:
    _, staging, _, url = pyg.start_gobbler(admin=["somebody-else", USER])
    pyg.create_project("test", staging=staging, url=url)
    pyg.stop_gobbler()
    _, staging, _, url = pyg.start_gobbler(admin=[])
    with refused(403):
        pyg.create_project("test", staging=staging, url=url)


def test_it_does_not_answer_on_other_addresses() -> None:
    port = urlsplit(pyg.start_gobbler()[3]).port or 0
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_the_host_can_be_chosen() -> None:
    port = urlsplit(pyg.start_gobbler(extra_args=["-host", "0.0.0.0"])[3]).port or 0
    socket.create_connection(("127.0.0.2", port), 5).close()


@pytest.mark.parametrize(
    "flags", [["-prefix", "foo"], ["-prefix=foo"], ["--prefix", "foo"], ["--prefix=foo"]]
)
def test_flags_are_understood_in_every_form(flags: list[str]) -> None:
    given = list(flags)
    _, staging, _, url = pyg.start_gobbler(extra_args=flags)
    assert flags == given
    assert "foo" not in url
    assert pyg.service_info(url + "/foo")["staging"] == staging
    pyg.create_project("test", staging=staging, url=url + "/foo")


def test_the_last_of_several_flags_wins_and_is_told(tmp_path: Path) -> None:
    registry = tmp_path / "other"
    registry.mkdir()
    result = pyg.start_gobbler(extra_args=["-registry", str(registry), "-admin", "x"])
    assert result[2] == str(registry)
    assert pyg.service_info(result[3])["registry"] == str(registry)
    with refused(403):
        pyg.create_project("test", staging=result[1], url=result[3])


def test_spoofing_and_whitelist_files_are_read(tmp_path: Path) -> None:
    spoofers, listed = tmp_path / "spoofers", tmp_path / "listed"
    spoofers.write_text(f"{USER}:ann\n")
    listed.write_text("/some/where\n")
    pyg.start_gobbler(extra_args=["-spoof", str(spoofers), "-whitelist", str(listed)])


@pytest.mark.parametrize("flag", ["-spoof", "-whitelist"])
def test_bad_files_are_errors_of_the_caller(tmp_path: Path, flag: str) -> None:
    with pytest.raises(OSError, match="missing"):
        pyg.start_gobbler(extra_args=[flag, str(tmp_path / "missing")])
    bad = tmp_path / "bad"
    bad.write_text("relative\n")
    with pytest.raises(ValueError, match="bad"):
        pyg.start_gobbler(extra_args=[flag, str(bad)])


@pytest.mark.parametrize(
    "flags",
    [["-nope"], ["--nope", "x"], ["-probation", "soon"], ["-concurrency", "x"], ["-port", "http"]],
)
def test_bad_flags_are_errors_of_the_caller(flags: list[str]) -> None:
    with pytest.raises(ValueError, match=flags[0].strip("-")):
        pyg.start_gobbler(extra_args=flags)
    assert pyg.start_gobbler()[0] is True


def test_arguments_of_the_original_are_accepted() -> None:
    assert pyg.start_gobbler(wait=5, version="0.4.0", overwrite=True)[0] is True


def external(path: Path, body: str) -> str:
    """A program that stands for a service that is not ours."""
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


STARTED = f"""
open(sys.argv[0] + ".seen", "w").write(repr(sys.argv[1:]))
os.execv({str(COMMAND)!r}, ["selenite", "serve", "gobbler", *sys.argv[1:]])
"""


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_another_service_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    binary = external(tmp_path / "gobbler", STARTED)
    options: dict[str, Any] = {}
    if by == "argument":
        options["binary"] = binary
    else:
        monkeypatch.setenv("SELENITE_GOBBLER_BINARY", binary)
    spoofers = tmp_path / "spoofers"
    spoofers.write_text("a:b\n")
    new, staging, registry, url = pyg.start_gobbler(
        wait=60, admin=["a", USER], extra_args=["-spoof", str(spoofers)], **options
    )
    assert new is True
    seen = Path(binary + ".seen").read_text()
    port = urlsplit(url).port
    command = ["-registry", registry, "-staging", staging, "-port", str(port)]
    assert seen == repr([*command, "-admin", f"a,{USER}", "-spoof", str(spoofers)])
    pyg.create_project("test", staging=staging, url=url)


def test_a_service_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    binary = external(tmp_path / "gobbler", "sys.exit('cannot serve: the moon is full')")
    with pytest.raises(RuntimeError, match="the moon is full"):
        pyg.start_gobbler(wait=60, binary=binary)


def test_a_service_that_stays_silent_is_reported_in_time(tmp_path: Path) -> None:
    binary = external(tmp_path / "gobbler", "time.sleep(60)")
    begin = time.perf_counter()
    with pytest.raises(RuntimeError):
        pyg.start_gobbler(wait=0.5, binary=binary)
    assert time.perf_counter() - begin < 10
    assert state().test_process is None


def test_the_service_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys, pygobbler\n"
        "print(*pygobbler.start_gobbler(*sys.argv[1:])[1:], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    places = [str(tmp_path / "staging"), str(tmp_path / "registry")]
    command = [sys.executable, "-P", "-c", code, *places]
    done = subprocess.run(command, capture_output=True, text=True)
    _, _, url = done.stdout.split()
    wait_until(lambda: not answers(url), "the service has ended")


def test_the_service_ends_at_the_exit_of_the_interpreter() -> None:
    code = "import pygobbler\nprint(*pygobbler.start_gobbler()[1:])\n"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stderr == ""
    staging, registry, url = done.stdout.split()
    assert not answers(url)
    assert not os.path.exists(staging)
    assert not os.path.exists(registry)


def test_ctrl_c_in_the_terminal_does_not_end_the_service(gobbler: Gobbler) -> None:
    """The signal goes to the whole process group; the service belongs to the interpreter."""
    process = state().test_process
    assert os.getpgid(process.pid) != os.getpgid(0)


def test_threads_start_one_service() -> None:
    barrier = threading.Barrier(4)

    def start(_: int) -> tuple[bool, str, str, str]:
        barrier.wait(10)
        return pyg.start_gobbler()

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(start, range(4)))
    assert sorted(new for new, *_ in started) == [False, False, False, True]
    assert len({tuple(rest) for _, *rest in started}) == 1
    pyg.stop_gobbler()
    assert not answers(started[0][3])


def test_a_child_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with state()._lock:
            is_held.set()
            may_end.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(10)
    with warnings.catch_warnings():
        # Newer Pythons warn about forking with threads, which is the point of this test.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        pyg.stop_gobbler()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    may_end.set()
    thread.join()


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/env", "/nowhere/python3"])
def test_python_is_found_where_it_is_a_part_of_another_program(
    monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "_base_executable", executable)
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", executable)
    _, staging, _, url = pyg.start_gobbler()
    assert pyg.service_info(url)["staging"] == staging


def test_the_python_of_multiprocessing_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "wrapper"
    script.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", os.fsencode(script))
    pyg.start_gobbler()
    assert (tmp_path / "used").exists()


def test_without_any_python_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/usr/bin/env")
    monkeypatch.setattr(sys, "_base_executable", "/usr/bin/env")
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", None)
    with pytest.raises(RuntimeError, match="set_executable"):
        pyg.start_gobbler()
    assert state().test_process is None


def test_one_name_is_one_administrator_and_one_flag() -> None:
    _, staging, _, url = pyg.start_gobbler(admin=USER, extra_args="-spoof=" + os.devnull)
    pyg.create_project("test", staging=staging, url=url)
    with pytest.raises(TypeError, match="`admin`"):
        pyg.start_gobbler(admin=7)  # type: ignore[arg-type]


def test_a_staging_directory_where_others_may_rename_is_refused(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    staging.chmod(0o777)
    with pytest.raises(RuntimeError, match=r"sticky bit.*`chmod \+t`"):
        pyg.start_gobbler(staging=staging, wait=60)
    os.umask(0)
    # One that is made for the service is fine, whatever the umask.
    pyg.start_gobbler(staging=tmp_path / "made", wait=60)
    pyg.stop_gobbler()
