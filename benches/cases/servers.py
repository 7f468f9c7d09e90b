"""Servers that run as long as a case."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cases.base import Skip, Timed, program, wait_for

_NGINX = """
daemon off;
user {user};
worker_processes 1;
pid {run}/pid;
error_log {run}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    client_max_body_size 0;
    {secure}
    server {{
        listen 127.0.0.1:{port}{ssl};
        root {root};
        location /put/ {{
            alias {run}/put/;
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def user() -> str:
    """The name of the current user."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    if process.poll() is not None:
        raise Skip(f"{process.args!r} ended with status {process.returncode}")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        # Any answer will do; a connection alone may be made before the server is ready.
        urllib.request.urlopen(url, timeout=5, context=context).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# Debian's nginx 1.22 leaves TLS 1.3 out as it comes, which takes one round trip less.
_SECURE = "ssl_protocols TLSv1.3; ssl_certificate {both}; ssl_certificate_key {both};"


@contextmanager
def nginx(root: Path, run: Path, both: Path | None = None) -> Iterator[str]:
    """Serve a directory with nginx, one worker; yields the URL.

    With a file of a key and a certificate, by HTTP/2 over TLS.
    """
    command = program("nginx", " (Debian: apt-get install nginx)")
    (run / "put").mkdir(parents=True)
    port = free_port()
    config = run / "nginx.conf"
    secure, ssl = ("", "") if both is None else (_SECURE.format(both=both), " ssl http2")
    values = {"root": root, "run": run, "port": port, "user": user(), "secure": secure, "ssl": ssl}
    config.write_text(_NGINX.format(**values))
    process = subprocess.Popen([command, "-c", str(config)], stderr=subprocess.DEVNULL)
    url = f"http{'' if both is None else 's'}://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(process, url), "nginx")
        yield url
    finally:
        _end(process)


def certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1, in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    both = folder / "both.pem"
    command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(both), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    with both.open("a") as file:
        file.write((folder / "certificate.pem").read_text())
    both.chmod(0o644)
    return both


@contextmanager
def far(url: str, trip: int, floors: str | None, **options: int) -> Iterator[str]:
    """Stand before a server as if it were so many milliseconds away; yields the other URL.

    Options are those of `floors delay`, with underscores. At the end it says on standard error what
    has happened.
    """
    if floors is None:
        raise Skip("the delay is not built (no cargo)")
    address = url.split("/")[2]
    more = [f"{name.replace('_', '-')}={number}" for name, number in options.items()]
    process = subprocess.Popen(
        [floors, "delay", str(trip), address, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield url.replace(address, f"127.0.0.1:{int(process.stdout.readline())}")
        process.stdin.write(b"?")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        print(f"far {more}: {said}", file=sys.stderr)
    finally:
        _end(process)


@contextmanager
def gypsum(run: Path, place: list[str]) -> Iterator[dict[str, str]]:
    """Run selenite's gypsum service, with a project `bench`; yields its URL.

    `place` says where its objects are, by default in a directory.
    """
    command = Path(sys.executable).with_name("selenite")
    if not command.exists():
        raise Skip("selenite is not installed for this interpreter")
    (run / "registry").mkdir(parents=True)
    tokens = run / "tokens.json"
    tokens.write_text(json.dumps({"secret": {"login": "alice"}}))
    tokens.chmod(0o600)
    port = free_port()
    flags = ["--tokens", str(tokens), "--admin", "alice", "--port", str(port), "--not-durable"]
    flags += place or ["--registry", str(run / "registry")]
    with (run / "log").open("wb") as log:
        process = subprocess.Popen([str(command), "serve", "gypsum", *flags], stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(process, f"{url}/list"), "the service")
        headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{url}/create/bench", json.dumps({"owners": ["alice"]}).encode(), headers
        )
        urllib.request.urlopen(request).close()
        yield {"url": url}
    finally:
        _end(process)


_KEYS = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret"}


@contextmanager
def store(run: Path) -> Iterator[dict[str, str]]:
    """Run an S3 server with an empty bucket; its keys are in this process's environment.

    Listings of SeaweedFS (`weed`) tell digests, as those of Amazon do; those of `s3s-fs` do not.
    """
    command = os.environ.get("SELENITE_S3_SERVER")
    if not command:
        raise Skip("no S3 server: SELENITE_S3_SERVER names weed or s3s-fs")
    (run / "bench").mkdir(parents=True)
    flags, ports = _weed(run) if Path(command).name == "weed" else _s3s_fs(run)
    with (run / "log").open("wb") as log:
        process = subprocess.Popen([command, *flags], stdout=log, stderr=log, cwd=run)
    url = f"http://127.0.0.1:{ports[0]}"
    os.environ.update(_KEYS)
    try:
        wait_for(lambda: _answers(process, url), "the store")
        yield {"url": url, "bucket": "bench"}
    finally:
        process.kill()  # weed would take its time, and leave its sockets, too
        process.wait()
        for port in ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()
        for name in _KEYS:
            os.environ.pop(name, None)


def _s3s_fs(run: Path) -> tuple[list[str], list[int]]:
    """Flags and ports, that of S3 first. Its buckets are folders."""
    key, secret = _KEYS.values()
    port = free_port()
    flags = ["--host", "127.0.0.1", "--port", str(port)]
    return [*flags, "--access-key", key, "--secret-key", secret, str(run)], [port]


def _weed(run: Path) -> tuple[list[str], list[int]]:
    """Flags and ports, that of S3 first. Its buckets are made when something is put there."""
    key, secret = _KEYS.values()
    identity = {
        "name": "bench",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (run / "s3.json").write_text(json.dumps({"identities": [identity]}))
    parts = ["s3", "master", "volume", "filer"]
    ports = {f"{part}{kind}": free_port() for part in parts for kind in (".port", ".port.grpc")}
    flags = ["server", f"-dir={run}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    flags += [f"-{name}={port}" for name, port in ports.items()]
    flags += [f"-s3.config={run / 's3.json'}", "-iam=false"]
    # These would have ports that do not depend on anything.
    flags += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    flags += ["-master.volumeSizeLimitMB=512", "-volume.max=20", "-master.electionTimeout=1s"]
    return [*flags, "-master.telemetry=false"], list(ports.values())


@contextmanager
def files(root: Path, run: Path, floors: str | None) -> Iterator[str]:
    """Serve a directory with nginx, or with the plainest of servers; yields the URL."""
    if floors is None or shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        with nginx(root, run) as url:
            yield url
        return
    process = subprocess.Popen(
        [floors, "serve", str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        _end(process)


@contextmanager
def gobbler(run: Path) -> Iterator[dict[str, str]]:
    """Run selenite's Gobbler service, with a project `bench`; yields its arguments."""
    command = Path(sys.executable).with_name("selenite")
    if not command.exists():
        raise Skip("selenite is not installed for this interpreter")
    staging, registry = run / "staging", run / "registry"
    for directory in (staging, registry):
        directory.mkdir(parents=True)
    staging.chmod(0o1777)
    port = free_port()
    flags = ["-staging", str(staging), "-registry", str(registry), "-port", str(port)]
    # As the original, it leaves the writing of what it has moved to the system.
    flags += ["-admin", user(), "-durable=false"]
    with (run / "log").open("wb") as log:
        process = subprocess.Popen([str(command), "serve", "gobbler", *flags], stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(process, f"{url}/info"), "the service")
        import pygobbler

        pygobbler.create_project("bench", str(staging), url)
        yield {"staging": str(staging), "registry": str(registry), "url": url}
    finally:
        _end(process)


def wrk(url: str, files: int = 1, seconds: int = 3) -> Timed:
    """Ask for one file again and again over 16 connections; gives the time for so many."""
    command = [program("wrk", " (Debian: apt-get install wrk)"), "-t1", "-c16", f"-d{seconds}s"]
    answer = subprocess.run([*command, url], stdout=subprocess.PIPE, check=True, text=True)
    for line in answer.stdout.splitlines():
        if line.startswith("  Non-2xx"):
            raise AssertionError(f"{url}: {line}")
        if line.startswith("Requests/sec:"):
            spent = files / float(line.split()[1])
            return Timed(spent, spent)
    raise AssertionError(answer.stdout)


def body(url: str) -> bytes:
    """What a URL answers."""
    with urllib.request.urlopen(url) as answer:
        content: bytes = answer.read()
        return content
