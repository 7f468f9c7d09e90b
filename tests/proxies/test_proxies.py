"""Uploads and reads of both clients through proxies, in plain and over TLS."""

from __future__ import annotations

import filecmp
import subprocess
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
from support.service import exchange
from support.web import Site

NAMES = ["plain.txt", "d/deep/x y.txt", "100%.txt", "a+b#c?.txt", "%2F.txt", "é/ü.txt", "a&b;c=d"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "upload"
    for name in NAMES:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {name}\n" * 100)
    return folder


def are_equal(one: Path, other: Path) -> bool:
    _, different, missing = filecmp.cmpfiles(one, other, NAMES, shallow=False)
    return different == missing == []


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_gypsum_below_a_prefix(
    site: Site, folder: Path, tmp_path: Path, is_secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_CA_BUNDLE", str(site.certificate))
    url, cache = site.url(is_secure, "gyp"), str(tmp_path / "cache")
    know: dict[str, Any] = {"url": url, "token": "admin-token"}
    gyp.create_project("p", owners=["alice"], **know)
    gyp.upload_directory(str(folder), "p", "a", "v", cache_dir=cache, **know)
    assert sorted(gyp.list_files("p", "a", "v", include_dot=False, url=url)) == sorted(NAMES)
    saved = gyp.save_version("p", "a", "v", cache_dir=cache, url=url)
    assert are_equal(folder, Path(saved))
    assert gyp.fetch_manifest("p", "a", "v", cache_dir=None, url=url).keys() == set(NAMES)
    gyp.remove_project("p", **know)
    assert gyp.list_projects(url=url) == []


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_the_gobbler_below_a_prefix(
    site: Site, folder: Path, tmp_path: Path, is_secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_CA_BUNDLE", str(site.certificate))
    url, staging = site.url(is_secure, "gob"), str(site.gobbler.staging)
    pyg.create_project("p", staging=staging, url=url)
    pyg.upload_directory("p", "a", "v", str(folder), staging=staging, url=url)
    cache = str(tmp_path / "cache")
    read: dict[str, Any] = {"registry": "", "url": url, "force_remote": True}
    path = pyg.fetch_directory("p/a/v", **read, cache=cache)
    assert are_equal(folder, Path(path))
    names = pyg.list_files("p", "a", "v", **read, include_dotdot=False)
    assert sorted(names) == sorted(NAMES)
    pyg.remove_project("p", staging=staging, url=url)


def test_heads_ranges_and_foreign_clients(site: Site, folder: Path, tmp_path: Path) -> None:
    know: dict[str, Any] = {"url": site.url(False, "gyp"), "token": "admin-token"}
    gyp.create_project("p", owners=["alice"], **know)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "f").write_text("0123456789")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELENITE_CA_BUNDLE", str(site.certificate))
        gyp.upload_directory(
            str(tmp_path / "one"), "p", "a", "v", cache_dir=str(tmp_path / "cache"), **know
        )
    for key in ("p%2Fa%2Fv%2Ff", "p/a/v/f"):
        head = exchange(site.plain, "HEAD", f"/gyp/file/{key}")
        assert (head.status, head.headers["content-length"]) == (200, "10"), key
        part = exchange(site.plain, "GET", f"/gyp/file/{key}", {"Range": "bytes=2-4"})
        assert (part.status, part.body) == (206, b"234"), key
    missing = exchange(site.plain, "GET", "/gyp/file/p/a/v/none")
    assert (missing.status, missing.reason) == (404, "object not found")
    # HTTP/2, by a client that is not ours.
    command = ["curl", "--silent", "--fail", "--http2", "--cacert", str(site.certificate)]
    shown = subprocess.run(
        [*command, "--write-out", " %{http_version}", f"{site.secure}/gyp/file/p/a/v/f"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "0123456789 2"
