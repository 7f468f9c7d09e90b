"""A real S3 server, and gypsum services whose objects are there.

`SELENITE_S3_SERVER` names the executable of `s3s-fs` (`cargo install s3s-fs --features binary`);
without it this folder is not collected.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import gypsum
from support.gypsum import Api
from support.s3 import BUCKET, Store
from support.service import free_port, wait_until


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    port = free_port()
    directory = tmp_path / "store" / BUCKET
    directory.mkdir(parents=True)
    store = Store(f"http://127.0.0.1:{port}", directory)
    command = [os.environ["SELENITE_S3_SERVER"], "--host", "127.0.0.1", "--port", str(port)]
    command += ["--access-key", store.key, "--secret-key", store.secret, str(directory.parent)]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.secret)
    with (tmp_path / "store.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(port), "the S3 server answers")
        yield store
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def api(store: Store) -> Iterator[Api]:
    """A service whose objects are in the bucket."""
    with gypsum.server(store=store.place, s3_credentials=store.credentials) as running:
        yield Api(running.url, store.directory)


@pytest.fixture
def project(api: Api) -> Api:
    """A service with the project `p`, owned by alice."""
    api.create("p")
    return api
