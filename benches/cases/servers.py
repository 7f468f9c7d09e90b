"""Servers that run as long as a case."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
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
    server {{
        listen 127.0.0.1:{port};
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
    try:
        # Any answer will do; a connection alone may be made before the server is ready.
        urllib.request.urlopen(url, timeout=5).close()
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


@contextmanager
def nginx(root: Path, run: Path) -> Iterator[str]:
    """Serve a directory with nginx, one worker; yields the URL."""
    command = program("nginx", " (Debian: apt-get install nginx)")
    (run / "put").mkdir(parents=True)
    port = free_port()
    config = run / "nginx.conf"
    config.write_text(_NGINX.format(root=root, run=run, port=port, user=user()))
    process = subprocess.Popen([command, "-c", str(config)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(process, url), "nginx")
        yield url
    finally:
        _end(process)


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
