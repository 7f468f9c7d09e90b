"""HTTP/2: many answers over few connections, which the server ends when it likes, or refuses."""

from __future__ import annotations

import collections
import hashlib
import os
import pwd
import shutil
from pathlib import Path

import pytest
from selenite import _core
from support.service import free_port
from support.web import NGINX, running

# It ends each connection after 50 answers, and answers more than 20 early requests by 503.
SITE = """
daemon off; user {user}; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format which '$server_protocol $connection $status';
    access_log {folder}/access.log which;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fast; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    limit_req_zone $binary_remote_addr zone=clients:1m rate=200r/s;
    keepalive_requests 50; http2_max_concurrent_streams 8;
    server {{
        listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        root {root};
        location /d/ {{ limit_req zone=clients burst=20 nodelay; }}
    }}
}}
"""


def test_all_arrives_although_connections_end_and_requests_are_refused(
    tmp_path: Path,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, root = tmp_path / "nginx", tmp_path / "root"
    folder.mkdir()
    (root / "d").mkdir(parents=True)
    shutil.copy(certificate, folder / "both.pem")
    names = [f"f{number:03}" for number in range(300)]
    contents = {name: os.urandom(4096) for name in names}
    for name, content in contents.items():
        (root / "d" / name).write_bytes(content)
    monkeypatch.setenv("SELENITE_CA_BUNDLE", str(certificate))
    with free_port() as port, free_port() as tls_port:
        values = {
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "root": root,
            "port": port,
            "tls_port": tls_port,
        }
        site = SITE.format(folder=folder, certificate=folder / "both.pem", **values)
        (folder / "site").write_text(site)
        command = [NGINX or "", "-e", str(folder / "error.log"), "-c", str(folder / "site")]
        with running(command, port, tmp_path / "log"):
            url = f"https://127.0.0.1:{tls_port}/d"
            facts = [(4096, hashlib.md5(contents[name]).hexdigest()) for name in names]
            assert _core.download_files(url, names, tmp_path / "got", facts) == 300
    for name, content in contents.items():
        assert (tmp_path / "got" / name).read_bytes() == content
    seen = [line.split() for line in (folder / "access.log").read_text().splitlines()]
    answers = [line for line in seen if line[0] == "HTTP/2.0"]
    assert collections.Counter(status for _, _, status in answers)["200"] == 300
    # How many are early depends on the machine.
    assert {status for _, _, status in answers} <= {"200", "503"}
    # What waited on a connection that ended is sent over the next one, and is no failure.
    assert [message for message in caplog.messages if " failed (" in message] == []
    # The first sixteen may each have made a connection before they knew that one is enough. nginx
    # numbers all, also those that nothing was asked over.
    numbers = [int(connection) for _, connection, _ in answers]
    assert max(numbers) - min(numbers) < 16 + 2 * len(answers) // 50
