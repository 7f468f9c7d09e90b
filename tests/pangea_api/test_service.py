"""The service for these tests answers as the real one did."""

from __future__ import annotations

import http.client
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.pangea import Pangea, running

VECTORS = sorted((Path(__file__).parents[1] / "vectors/pangea").glob("0*.json"))
PASSWORD = "Foobar22zz"
PATTERNS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
    "replicate": r"[A-Za-z0-9]{12}",
    "sig": r".+?",
    "int": r"\d+",
    "etag": r".+",
}


def call(method: str, url: str, token: str | None = None, body: Any = None, **headers: str) -> Any:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    head = {"Accept": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    head |= {"Authorization": f"Token {token}"} if token else {}
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, content, head)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    kind = (answer.getheader("Content-Type") or "").split(";")[0] or None
    value = json.loads(raw) if kind == "application/json" else raw.decode() or None
    return answer.status, kind, value, answer.headers


class Scenario:
    """What placeholders of a file stand for: what they met first."""

    def __init__(self, service: Pangea) -> None:
        self.service = service
        self.bound = {"<run>": "abcdefgh", "<RUN>": "ABCDEFGH", "<bad token>": "0" * 40}
        self.bound |= {"<host>": service.url, "<s3>": service.s3}

    def prepare(self, number: int) -> None:
        """Make what the files do not show."""
        if number == 1:
            return
        owner = self.bound["<token:owner>"] = self.service.sign_up("owner.abcdefgh@example.org")
        self.bound["<token:stranger>"] = self.service.sign_up("stranger.abcdefgh@example.org")
        if number == 2:
            return

        def post(place: str, **body: Any) -> str:
            status, _, value, _ = call("POST", f"{self.service.url}/api/{place}", owner, body)
            assert status in (200, 201), value
            return str(value.get("uuid"))

        org = post("organizations", name="Org abcdefgh")
        bucket = post("s3_buckets", name="bkt", endpoint_url=self.service.s3, organization=org)
        more = {"organization": org, "is_library": True, "bucket": bucket}
        lib = post("sample_groups", name="Lib abcdefgh", **more)
        sample = post("samples", name="S abcdefgh", library=lib)
        names = {"org": org, "bucket": bucket, "lib": lib, "sample": sample}
        if number == 4:
            for index in range(104):
                post("samples", name=f"p{index:03d} abcdefgh", library=lib)
        if number == 5:
            names["ar"] = post("sample_ars", module_name="m", sample=sample)
            names["field"] = post("sample_ar_fields", analysis_result=names["ar"], name="big")
            place = f"sample_ar_fields/{names['field']}/upload_s3"
            post(place, filename="big.bin", n_parts=2, stance="upload-multipart")
        self.bound |= {f"<uuid:{name}>": uuid for name, uuid in names.items()}

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"<[^<>]*>", lambda found: self.bound.get(found[0], found[0]), value)
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, dict):
            return {key: self.fill(one) for key, one in value.items()}
        return value

    def same(self, want: Any, got: Any, where: str) -> None:
        if want in ("<html>", "<text>"):
            assert isinstance(got, str), where
        elif isinstance(want, str) and "<" in want:
            self.bind(want, got, where)
        elif isinstance(want, dict):
            assert isinstance(got, dict), where
            # Key by key in their order.
            assert list(got) == list(want), where
            for key in want:
                self.same(want[key], got[key], f"{where}.{key}")
        elif isinstance(want, list):
            omits = [one for one in want if re.fullmatch(r"<\d+ more of the same shape>", str(one))]
            assert omits or len(want) == len(got), where
            for index, (one, other) in enumerate(zip(want, got, strict=False)):
                if one not in omits:
                    self.same(one, other, f"{where}[{index}]")
        else:
            assert want == got, where

    def bind(self, want: str, got: Any, where: str) -> None:
        pattern, names = "", []
        for part in re.split(r"(<[^<>]*>)", want):
            name = part[1:-1] if part.startswith("<") else None
            if name is None:
                pattern += re.escape(part)
            elif name in PATTERNS:
                pattern += PATTERNS[name]
            elif part in self.bound:
                pattern += re.escape(self.bound[part])
            else:
                pattern += "([0-9a-f-]{36})" if name.startswith("uuid") else r'([^&"]+)'
                names.append(part)
        found = re.fullmatch(pattern, str(got))
        assert found, f"{where}: {self.fill(want)} is wanted, {got} came"
        self.bound.update(zip(names, found.groups(), strict=True))


def send(scenario: Scenario, request: Any, last: Any, tags: dict[int, str]) -> Any:
    path = scenario.fill(request["path"])
    body = scenario.fill(request.get("json"))
    token = scenario.fill(request.get("auth"))
    if path.startswith(scenario.service.s3):
        if request["method"] == "POST":
            edge = "edge"
            fields = {**last["fields"], "file": "hello"}
            text = "".join(
                f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
                for key, value in fields.items()
            )
            kind = f"multipart/form-data; boundary={edge}"
            return call(
                "POST", last["url"], None, f"{text}--{edge}--\r\n".encode(), Content_Type=kind
            )
        number = int(re.findall(r"partNumber=(\d+)", path)[0])
        content = b"a" * 5242880 if number == 1 else b"tail"
        answer = call("PUT", last["urls"][number - 1], None, content)
        tags[number] = answer[3]["ETag"]
        return answer
    if body and "parts" in body and body["upload_id"] != "nope":
        # Of the part that was sent then, only the size is known.
        body["parts"] = [{"ETag": tags[number], "PartNumber": number} for number in sorted(tags)]
    return call(request["method"], scenario.service.url + path.replace(" ", "%20"), token, body)


@pytest.mark.parametrize("file", VECTORS, ids=lambda file: file.stem)
def test_recorded_exchanges_are_answered_as_they_were(file: Path) -> None:
    steps = json.loads(file.read_text())["steps"]
    tags: dict[int, str] = {}
    last: Any = None
    with running() as service:
        scenario = Scenario(service)
        scenario.prepare(int(file.name[:2]))
        for index, step in enumerate(steps):
            want = step["response"]
            where = f"{index} {step['request']['method']} {step['request']['path']}"
            status, kind, value, headers = send(scenario, step["request"], last, tags)
            assert (status, kind) == (want["status"], want.get("content_type")), (where, value)
            if "location" in want:
                scenario.same(want["location"], headers["Location"], where)
            scenario.same(want.get("body"), value, where)
            last = (
                value
                if isinstance(value, dict) and ("urls" in value or "fields" in value)
                else last
            )


def test_all_exchanges_are_there() -> None:
    assert sum(len(json.loads(file.read_text())["steps"]) for file in VECTORS) == 76
