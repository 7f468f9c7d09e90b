"""A gypsum service under test: who may do what there, and plain HTTP to talk to it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import tarfile
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenite.testing import GypsumServer

from support.service import Answer

TOKENS: dict[str, str | dict[str, Any]] = {
    "admin-token": "root-admin",
    "orgadmin-token": {"login": "olga", "organizations": ["gypsum-admins"]},
    "owner-token": {"login": "alice", "organizations": ["acme"]},
    "uploader-token": "bob",
    "orguser-token": {"login": "carol", "organizations": ["labs"]},
    "outsider-token": {"login": "dave", "organizations": ["elsewhere"]},
    "noorg-token": {"login": "erin", "organizations": []},
}
ADMINS = ["root-admin", "gypsum-admins"]
S3 = {
    "endpoint": "https://acct.r2.cloudflarestorage.com",
    "bucket": "gypsum-local",
    "key": "public-key",
    "secret": "public-secret",
}
APP = {"id": "app-id", "secret": "app-secret"}


def server(registry: Path | str | None = None, **settings: Any) -> GypsumServer:
    """The service that recorded scenarios expect."""
    tokens = settings.pop("tokens", TOKENS)
    settings = {"s3_credentials": S3, "github_app": APP, **settings}
    return GypsumServer(registry, tokens, ADMINS, **settings)


def exchange(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Exchange one request and answer, with the path sent exactly as given."""
    parsed = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parsed.hostname or "", parsed.port, timeout=90)
    fields = dict(headers or {})
    if method in ("POST", "PUT") and "Transfer-Encoding" not in fields:
        fields.setdefault("Content-Length", str(len(body or b"")))
    try:
        connection.putrequest(method, path, skip_host="Host" in fields, skip_accept_encoding=True)
        for key, value in fields.items():
            connection.putheader(key, value)
        connection.endheaders(body)
        response = connection.getresponse()
        names = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def quote(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def entry(path: str, content: bytes, kind: str = "simple") -> dict[str, Any]:
    """A file as a request to start an upload describes it."""
    md5sum = hashlib.md5(content).hexdigest()
    return {"type": kind, "path": path, "size": len(content), "md5sum": md5sum}


@dataclass(frozen=True)
class Session:
    """An upload that was started."""

    api: Api
    started: dict[str, Any]

    @property
    def token(self) -> str:
        return str(self.started["session_token"])

    def post(self, path: str) -> Answer:
        return self.api.call("POST", path, self.token)

    def presign(self, index: int = 0) -> dict[str, str]:
        answer = self.post(self.started["file_urls"][index]["url"])
        assert answer.status == 200, answer.body
        found: dict[str, str] = answer.json()
        return found

    def put(self, content: bytes, index: int = 0) -> Answer:
        return put(self.presign(index), content)

    def send(self, archive: bytes, token: str = "", place: str = "") -> Answer:
        """Send files in an archive."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        place = place or self.started["complete_url"].replace("complete", "archive", 1)
        return exchange(self.api.url, "PUT", place, headers, archive)

    def complete(self) -> Answer:
        return self.post(self.started["complete_url"])

    def abort(self) -> Answer:
        return self.post(self.started["abort_url"])


def packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Make an archive of files."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return archive.getvalue()


def put(presigned: Mapping[str, str], content: bytes, **changed: str) -> Answer:
    """PUT a file to its presigned URL."""
    url = presigned["url"]
    path = url.removeprefix(url[: url.index("/", len("http://"))])
    headers = {"Content-MD5": presigned["md5sum_base64"], **changed}
    return exchange(url, "PUT", path, headers, content)


def md5_base64(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


@dataclass(frozen=True)
class Api:
    """A service as a client sees it."""

    url: str
    registry: Path

    def call(self, method: str, path: str, token: str | None = None, json_: Any = None) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = None if json_ is None else json.dumps(json_).encode()
        return exchange(self.url, method, path, headers, body)

    def admin(self, method: str, path: str, json_: Any = None) -> Answer:
        return self.call(method, path, "admin-token", json_)

    def get(self, key: str, **headers: str) -> Answer:
        return exchange(self.url, "GET", f"/file/{quote(key)}", headers)

    def read(self, key: str) -> Any:
        answer = self.get(key)
        assert answer.status == 200, (key, answer.body)
        return answer.json()

    def listed(self, prefix: str = "", recursive: bool = False) -> Any:
        flag = "true" if recursive else "false"
        return self.call("GET", f"/list?prefix={quote(prefix)}&recursive={flag}").json()

    def all_keys(self) -> list[str]:
        """All keys but those of events."""
        return [key for key in self.listed(recursive=True) if not key.startswith("..logs/")]

    def create(self, project: str, **quota: float) -> None:
        body = {"permissions": {"owners": ["alice"]}, "quota": quota}
        answer = self.admin("POST", f"/create/{quote(project)}", body)
        assert answer.status == 200, answer.body

    def start(self, path: str, files: list[Any], token: str = "owner-token", **more: Any) -> Answer:
        return self.call("POST", f"/upload/start/{path}", token, {"files": files, **more})

    def session(self, path: str, files: list[Any], **more: Any) -> Session:
        answer = self.start(path, files, **more)
        assert answer.status == 200, answer.body
        return Session(self, answer.json())

    def upload(self, path: str, contents: Mapping[str, bytes], **more: Any) -> None:
        """A whole upload; each file must be new."""
        session = self.session(path, [entry(*item) for item in contents.items()], **more)
        for index, content in enumerate(contents.values()):
            assert session.put(content, index).status == 200
        assert session.complete().status == 200


def api(running: GypsumServer) -> Api:
    return Api(running.url, Path(running.registry))
