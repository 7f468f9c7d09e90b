"""Uploads in parts to a real S3 server.

`SELENITE_S3_SERVER` names its executable (`cargo install s3s-fs --features binary`); without it
this file is not collected.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pangea_api
import pytest
import requests
from pangea_api import Knex, Organization, SampleAnalysisResultField
from support import s3
from support.pangea import Pangea, Record, Store, running

BUCKET, KEY, SECRET = "bkt", "an-access-key", "a-secret-key"
MIB = 1 << 20


class RealStore(Store):
    """A store that only signs: what is signed goes to a server."""

    def presigned(
        self, method: str, bucket: str, key: str, query: dict[str, str], seconds: int = 600
    ) -> str:
        """Sign a URL as AWS does (version 4)."""
        now = datetime.now(UTC)
        scope = f"{now:%Y%m%d}/us-east-1/s3/aws4_request"
        signed = {
            **query,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{KEY}/{scope}",
        }
        signed |= {"X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}", "X-Amz-Expires": str(seconds)}
        signed |= {"X-Amz-SignedHeaders": "host"}
        path = f"/{bucket}/{quote(key)}"
        text = "&".join(
            f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(signed.items())
        )
        host = urlsplit(self.url).netloc
        canonical = f"{method}\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        secret = f"AWS4{SECRET}".encode()
        for part in scope.split("/"):
            secret = hmac.digest(secret, part.encode(), "sha256")
        what = f"AWS4-HMAC-SHA256\n{now:%Y%m%dT%H%M%SZ}\n{scope}\n{digest}"
        signature = hmac.digest(secret, what.encode(), "sha256").hex()
        return f"{self.url}{path}?{text}&X-Amz-Signature={signature}"

    def begin(self, bucket: str, key: str) -> str | None:
        answer = requests.post(self.presigned("POST", bucket, key, {"uploads": ""}), timeout=30)
        found = re.search(r"<UploadId>([^<]+)</UploadId>", answer.text)
        return found[1] if found else None

    def complete(self, bucket: str, key: str, upload_id: str, parts: list[Record]) -> bool:
        body = "".join(
            f"<Part><PartNumber>{one['PartNumber']}</PartNumber><ETag>{one['ETag']}</ETag></Part>"
            for one in parts
        )
        body = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>"
        url = self.presigned("POST", bucket, key, {"uploadId": upload_id})
        answer = requests.post(url, data=body, timeout=60)
        return answer.ok and "<Error>" not in answer.text


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Pangea]:
    folder = tmp_path / "store"
    (folder / BUCKET).mkdir(parents=True)
    with (
        s3.running(folder, KEY, SECRET, tmp_path / "log") as url,
        running(RealStore(url=url)) as service,
    ):
        yield service


@pytest.fixture
def field(service: Pangea) -> SampleAnalysisResultField:
    knex = Knex(service.url)
    knex.add_auth_token(service.sign_up("owner@example.org"))
    org = Organization(knex, "Org").create()
    bucket = {"name": BUCKET, "endpoint_url": service.s3, "organization": org.uuid}
    library = pangea_api.SampleGroup(knex, org, "Lib ö", is_library=True)
    library.bucket = knex.post("s3_buckets", json=bucket)["uuid"]
    library.create()
    made: Any = library.sample("S 1").idem().analysis_result("m").idem().field("reads").idem()
    found: SampleAnalysisResultField = made
    return found


def test_parts_come_to_a_real_store(field: SampleAnalysisResultField, tmp_path: Path) -> None:
    path = tmp_path / "größe 1.bin"
    path.write_bytes(os.urandom(21 * MIB + 5))
    lines: list[str] = []
    field.upload_file(str(path), chunk_size=5 * MIB, logger=lines.append)
    assert len(lines) == 2 + 5
    assert field.stored_data["uri"] == f"s3://{BUCKET}/pangea/v1/Lib ö/samples/S 1/größe 1.bin"
    assert Path(field.download_file()).read_bytes() == path.read_bytes()


def test_urls_of_a_real_store_expire(
    service: Pangea, field: SampleAnalysisResultField, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    path.write_bytes(os.urandom(11 * MIB))
    store = service.store
    assert isinstance(store, RealStore)
    valid, asked = store.presigned, 0

    def presigned(
        method: str, bucket: str, key: str, query: dict[str, str], seconds: int = 600
    ) -> str:
        nonlocal asked
        asked += method == "PUT"
        if method == "PUT" and asked <= 3:
            # What is signed for no time at all has expired at once.
            url = valid(method, bucket, key, query, seconds=1)
            time.sleep(0.7)
            return url
        return valid(method, bucket, key, query, seconds)

    store.presigned = presigned  # type: ignore[method-assign]
    field.upload_file(str(path), chunk_size=5 * MIB)
    assert asked == 6
    assert Path(field.download_file()).read_bytes() == path.read_bytes()
