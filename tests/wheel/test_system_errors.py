"""Errors of the system keep their number, whoever met them."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import requests
from support.fake import Reply, as_json, serving

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")


def test_a_refused_connection_has_its_number(tmp_path: Path) -> None:
    with pytest.raises(requests.ConnectionError) as plain:
        pyg.list_projects("/no/registry", NOWHERE)
    with pytest.raises(gyp.GypsumConnectionError) as listed:
        gyp.list_projects(url=NOWHERE)
    with pytest.raises(gyp.GypsumConnectionError) as saved:
        gyp.save_file("p", "a", "v", "f", cache_dir=tmp_path, url=NOWHERE)
    for caught in (plain, listed, saved):
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == errno.ECONNREFUSED
        assert "Connection refused" in str(caught.value)


def test_silence_has_the_number_of_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_TIMEOUT", "0.1")
    with serving(lambda *_: Reply(length=9, stall=True)) as fake:
        with pytest.raises(requests.ReadTimeout) as plain:
            pyg.list_projects("/no/registry", fake.url)
        with pytest.raises(gyp.GypsumConnectionError) as listed:
            gyp.list_projects(url=fake.url)
    assert plain.value.errno == listed.value.errno == errno.ETIMEDOUT


LIMITED = """if 1:
    import json, os, resource, sys
    import gypsum_client as gyp, pygobbler as pyg

    seen = []
    url, cache = sys.argv[1:]
    calls = [
        lambda: gyp.list_projects(url=url),
        lambda: pyg.list_projects("/no/registry", url),
        lambda: gyp.save_file("p", "a", "v", "f", cache_dir=cache, url=url, overwrite=True),
        lambda: pyg.fetch_manifest("p", "a", "v", "/no", url, cache, overwrite=True),
    ]
    calls[0]()
    used = len(os.listdir("/dev/fd")) - 1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # From none at all to enough for everything.
    for more in range(8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, most))
        for call in calls:
            try:
                call()
            except OSError as error:
                seen.append((error.errno, str(error.filename), str(error)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(seen))
"""


def test_too_many_open_files_blame_no_file(tmp_path: Path) -> None:
    with serving(lambda _, path: as_json([] if "list" in path else {})) as fake:
        command = [sys.executable, "-c", LIMITED, fake.url, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    assert seen
    for code, file, text in seen:
        assert (code, file) == (errno.EMFILE, "None"), text
        assert "Too many open files" in text
        assert "ulimit -n" in text
