"""Both services behind real reverse proxies: nginx and Apache httpd, as Debian has them.

Without these two programs this folder is not collected.
"""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import gypsum
from support.service import Service, free_port
from support.web import APACHE, NGINX, Site, running

NGINX_SITE = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fast; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {certificate}; ssl_certificate_key {certificate};
        location /gyp/ {{ proxy_pass {gypsum}/; }}
        location /gob/ {{ proxy_pass {gobbler}/; }}
    }}
}}
"""

APACHE_SITE = """
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{tls_port}
ServerName 127.0.0.1
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
LoadModule ssl_module {modules}/mod_ssl.so
LoadModule http2_module {modules}/mod_http2.so
<VirtualHost 127.0.0.1:{port}>
    {places}
</VirtualHost>
<VirtualHost 127.0.0.1:{tls_port}>
    SSLEngine on
    SSLCertificateFile {certificate}
    Protocols h2 http/1.1
    {places}
</VirtualHost>
"""

# As it comes, Apache refuses encoded slashes; both ways to allow them are in use.
APACHE_PLACES = """
AllowEncodedSlashes {slashes}
ProxyPass /gyp/ {gypsum}/ {nocanon}
ProxyPass /gob/ {gobbler}/ {nocanon}
"""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    file = folder / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {file} -out {folder}/certificate.pem"
    subprocess.run(command.split(), check=True, capture_output=True)
    with file.open("a") as both:
        both.write((folder / "certificate.pem").read_text())
    ssl.create_default_context(cafile=str(file))
    return file


def write_nginx(folder: Path, **values: object) -> list[str]:
    (folder / "site").write_text(NGINX_SITE.format(folder=folder, **values))
    return [NGINX or "", "-e", str(folder / "error.log"), "-c", str(folder / "site")]


def write_apache(slashes: str, nocanon: str) -> Callable[..., list[str]]:
    def write(folder: Path, **values: object) -> list[str]:
        places = APACHE_PLACES.format(slashes=slashes, nocanon=nocanon, **values)
        modules = "/usr/lib/apache2/modules"
        text = APACHE_SITE.format(folder=folder, modules=modules, places=places, **values)
        (folder / "site").write_text(text)
        return [APACHE or "", "-D", "FOREGROUND", "-f", str(folder / "site")]

    return write


@pytest.fixture(
    params=[
        pytest.param(write_nginx, id="nginx"),
        pytest.param(write_apache("On", ""), id="apache-decoding"),
        pytest.param(write_apache("NoDecode", "nocanon"), id="apache-verbatim"),
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path, certificate: Path) -> Iterator[Site]:
    """A proxy in front of a Gobbler and a gypsum service, each below a prefix of its own."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    # Its workers may be another user's.
    shutil.copy(certificate, folder / "both.pem")
    with contextlib.ExitStack() as stack:
        port, tls_port = (stack.enter_context(free_port()) for _ in range(2))
        secure = f"https://127.0.0.1:{tls_port}"
        gobbler = stack.enter_context(Service(tmp_path / "gobbler"))
        running_gypsum = stack.enter_context(
            gypsum.server(tmp_path / "registry", public_url=f"{secure}/gyp")
        )
        command = request.param(
            folder,
            port=port,
            tls_port=tls_port,
            certificate=folder / "both.pem",
            gypsum=running_gypsum.url,
            gobbler=f"http://127.0.0.1:{gobbler.port}",
        )
        with running(command, port, tmp_path / "proxy.log"):
            yield Site(f"http://127.0.0.1:{port}", secure, certificate, gobbler)
