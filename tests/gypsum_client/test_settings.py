"""Which service, which cache, and whose certificates."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gypsum_client as gyp
import pytest
from support.bucket import Gypsum
from support.fake import as_json, serving


def test_the_url_is_set_and_returned() -> None:
    assert gyp.rest_url() == "https://gypsum.artifactdb.com"
    assert gyp.rest_url("http://one/") == "http://one/"
    assert gyp.rest_url() == "http://one/"


def test_the_environment_names_the_first_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYPSUM_REST_URL", "http://mine")
    assert gyp.rest_url() == "http://mine"
    monkeypatch.setenv("GYPSUM_REST_URL", "http://other")
    assert gyp.rest_url() == "http://mine"


def test_setting_the_cache_returns_the_one_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    users = str(tmp_path / "gypsum")
    assert gyp.cache_directory() == users
    assert gyp.cache_directory(str(tmp_path / "new")) == users
    assert gyp.cache_directory(tmp_path / "newer") == str(tmp_path / "new")
    assert gyp.cache_directory() == str(tmp_path / "newer")
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_first_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GYPSUM_CACHE_DIR", str(tmp_path))
    assert gyp.cache_directory() == str(tmp_path)


def test_defaults_are_those_of_the_call(gypsum: Gypsum, cache: Path) -> None:  # D4
    gyp.rest_url(gypsum.url + "/")
    gyp.cache_directory(str(cache))
    assert gyp.list_versions("test-R", "basic") == ["v1", "v2", "v3"]
    path = gyp.save_file("test-R", "basic", "v1", "blah.txt")
    assert path == str(cache / "bucket" / "test-R" / "basic" / "v1" / "blah.txt")
    for none in ("save_version", "resolve_links"):
        getattr(gyp, none)("test-R", "basic", "v2", cache_dir=None)
    assert (cache / "status" / "test-R" / "basic" / "v2" / "COMPLETE").exists()


def test_an_import_touches_neither_network_nor_disk(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "c")}
    code = "import gypsum_client as g; g.rest_url(); g.cache_directory(); g.access_token"
    subprocess.run([sys.executable, "-B", "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module", params=["CA:TRUE", "CA:FALSE"])
def certificate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself; the first is openssl's default."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    facts = ["subjectAltName=IP:127.0.0.1", f"basicConstraints=critical,{request.param}"]
    extensions = [word for fact in facts for word in ("-addext", fact)]
    files = ["-keyout", f"{file}.key", "-out", str(file)]
    subprocess.run([*command.split(), *extensions, *files], check=True, capture_output=True)
    return file


def test_certificates_are_verified_as_asked_at_each_request(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    with serving(lambda *_: as_json(["p/"]), certificate) as fake:
        calls: list[Callable[[], object]] = [
            lambda: gyp.list_projects(url=fake.url),
            lambda: gyp.remove_project("p", url=fake.url, token="t"),
            lambda: gyp.approve_probation("p", "a", "v", url=fake.url, token="t"),
            lambda: gyp.complete_upload({"complete_url": "/x", "session_token": "t"}, url=fake.url),
        ]
        for trusted in (True, False, str(certificate)):
            gyp.REQUESTS_MOD["verify"] = trusted
            before = len(fake.asked)
            for call in calls:
                if trusted is True:
                    with pytest.raises(gyp.GypsumConnectionError):
                        call()
                else:
                    call()
            assert len(fake.asked) - before == (0 if trusted is True else len(calls))


def test_a_service_that_does_not_know_of_its_tls_is_told_its_option(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    monkeypatch.setitem(gyp.REQUESTS_MOD, "verify", False)
    (tmp_path / "a.txt").write_text("content")
    place = {"path": "a.txt", "url": "/upload/presigned-file/x", "method": "presigned"}
    session = {"file_urls": [place], "session_token": "token"}
    named: list[str] = []
    answer = {"md5sum_base64": base64.b64encode(hashlib.md5(b"content").digest()).decode()}
    with serving(lambda *_: as_json({**answer, "url": named[0]}), certificate) as fake:
        named.append(fake.url.replace("https://", "http://") + "/here")
        with pytest.raises(gyp.GypsumConnectionError, match="--public-url"):
            gyp.upload_files(session, tmp_path, url=fake.url)
        named[0] = "http://127.0.0.1:9/elsewhere"
        with pytest.raises(gyp.GypsumConnectionError) as error:
            gyp.upload_files(session, tmp_path, url=fake.url)
        assert "--public-url" not in str(error.value)


BUNDLE = """if 1:
    import sys
    import gypsum_client as gyp

    print(gyp.list_projects(url=sys.argv[1]))
    try:
        gyp.list_projects(url=sys.argv[2])
    except (OSError, ValueError) as error:
        print(type(error).__name__, error)
"""


def test_a_bundle_of_no_use_matters_to_https_alone(tmp_path: Path) -> None:
    bundle = tmp_path / "stale.pem"
    with serving(lambda *_: as_json(["p/"])) as fake:
        command = [sys.executable, "-c", BUNDLE, fake.url, fake.url.replace("http:", "https:")]
        for kind in ("FileNotFoundError", "InvalidArgumentError"):
            environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(bundle)}
            environment.pop("SELENITE_CA_BUNDLE", None)
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            listed, _, told = done.stdout.partition("\n")
            assert listed == "['p']"
            assert told.startswith(kind)
            assert "REQUESTS_CA_BUNDLE" in told
            assert str(bundle) in told
            bundle.write_text("no certificate")
