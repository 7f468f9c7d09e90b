"""Real Girder servers, and a store of S3 for them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import girder_client
import requests

from support.cut import Cut

# The Python of the virtual environment that `scripts/girder` makes.
PYTHON = os.environ.get("SELENITE_GIRDER", "")
LOGIN = ("admin", "password123")
KEYS = ("tester", "secret-of-the-store")
BUCKET = "girder"
_numbers = itertools.count()
_tokens: dict[str, str] = {}


@dataclass(frozen=True)
class Girder:
    """A running server.

    Attributes:
        url: URL of its API.
        pid: Its process.
        root: Where its files are.
        store: What stands before its store of S3, if it has one.
    """

    url: str
    pid: int
    root: Path
    store: Cut | None = None

    def client(self, **settings: Any) -> girder_client.GirderClient:
        """A client of the administrator, who has logged in once: that takes the server a while."""
        client = girder_client.GirderClient(apiUrl=self.url, **settings)
        if self.url not in _tokens:
            client.authenticate(*LOGIN)
            _tokens[self.url] = client.token
        client.setToken(_tokens[self.url])
        return client

    def uploads(self) -> list[dict[str, Any]]:
        """Uploads that are not finished."""
        found: list[dict[str, Any]] = self.client().get("system/uploads")
        return found


def new_folder(client: girder_client.GirderClient) -> dict[str, Any]:
    """Make a folder that nobody else has."""
    user = client.get("user/me")
    name = f"test {next(_numbers)}"
    made: dict[str, Any] = client.createFolder(user["_id"], name, parentType="user")
    return made


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Girder]:
    """Start a server with files below a folder."""
    (folder / "temporary").mkdir(parents=True)
    script = str(Path(__file__).with_name("girder_server.py"))
    root = folder / "files"
    command = [PYTHON, "-P", script, "--root", str(root), *options]
    environment = {**os.environ, "TMPDIR": str(folder / "temporary")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        told = json.loads(line)
        yield Girder(told["url"], told["pid"], root)
    finally:
        process.kill()  # there is nothing that it would have to keep
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def s3_store(folder: Path) -> Iterator[str]:
    """Start an S3 server with a bucket; gives its address."""
    identity = {
        "name": "tester",
        "credentials": [{"accessKey": KEYS[0], "secretKey": KEYS[1]}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    folder.mkdir(parents=True)
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    # Each of its parts has a second port, 10,000 above the first.
    parts = ["master", "volume", "filer", "s3"]
    ports = dict(zip(parts, _free_ports(len(parts)), strict=True))
    command = [str(Path(PYTHON).with_name("weed")), "server", "-ip=127.0.0.1", "-s3"]
    command += [f"-{part}.port={port}" for part, port in ports.items()]
    command += [f"-dir={folder / 'data'}", f"-s3.config={folder / 's3.json'}", "-iam=false"]
    # These would have ports that do not depend on anything.
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [
        "-master.volumeSizeLimitMB=512",
        "-master.electionTimeout=1s",
        "-master.telemetry=false",
        "-volume.max=20",
        "-ip.bind=127.0.0.1",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        url = f"http://127.0.0.1:{ports['s3']}"
        for _ in range(300):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(url, timeout=5)
                break
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            time.sleep(0.1)
        yield url
    finally:
        process.kill()  # it would take its time
        process.wait()
        for part, port in ports.items():
            for name in (f"{part}-grpc-{port + 10000}", f"{part}-{port}"):
                Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        # Neither is among those that are given to whoever asks for any.
        port = random.randrange(20000, 22700)
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10000))
            if port not in found:
                found.append(port)
    return found


def use_s3(server: Girder, store: str) -> None:
    """Let a server keep its files in a store of S3, whose bucket is made."""
    client = server.client()
    details = {
        "name": "s3",
        "type": 2,
        "bucket": BUCKET,
        "accessKeyId": KEYS[0],
        "secret": KEYS[1],
        "service": store,
        "region": "us-east-1",
    }
    code = (
        "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], "
        "aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3], "
        "region_name='us-east-1').create_bucket(Bucket=sys.argv[4])"
    )
    command = [PYTHON, "-c", code, store, *KEYS, BUCKET]
    for _ in range(20):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            break
        time.sleep(0.2)
    assert done.returncode == 0, done.stderr
    made = client.post("assetstore", data=details)
    client.put(f"assetstore/{made['_id']}", parameters={**details, "current": "true"})
