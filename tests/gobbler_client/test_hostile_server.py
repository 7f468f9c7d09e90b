"""A client meets servers that lie, break off, stall, or answer pages of HTML."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
import requests
from support.fake import Fake, Reply, Script, as_json, registry, serving
from support.tree import entry, everything, read

FILES = {
    "..manifest": json.dumps({"good": entry(b"good"), "x/y": entry(b"data")}).encode(),
    "..summary": b'{"upload_user_id":"u","upload_start":"2020-01-01T00:00:00Z",'
    b'"upload_finish":"2020-01-01T00:00:00Z"}',
    "good": b"good",
    "x/y": b"data",
}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache deep enough that an escape would be seen in the test's own directory."""
    return tmp_path / "a" / "b" / "cache"


def fetch(fake: Fake, cache: Path) -> str:
    return pyg.fetch_directory("p/a/v", "/not/here", fake.url, cache=str(cache))


def outside(cache: Path) -> list[str]:
    """Everything in the test's directory that is not in the cache."""
    root = cache.parents[2]
    parents = {"a", "a/b", "a/b/cache"}
    names = set(everything(root)) - parents
    return sorted(name for name in names if not name.startswith("a/b/cache/"))


@pytest.fixture(autouse=True)
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try it once more."""
    monkeypatch.setenv("SELENITE_RETRIES", "1")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long: only where no answer comes, since an honest one may take seconds."""
    monkeypatch.setenv("SELENITE_TIMEOUT", "0.5")


def test_an_honest_server_is_believed(cache: Path) -> None:
    with serving(registry(FILES)) as fake:
        path = Path(fetch(fake, cache))
    assert read(path, internal=True) == dict(sorted(FILES.items()))


@pytest.mark.parametrize(
    "name",
    ["../../x", "../x", "/x", "/etc/x", "good/../../x", "x/./y", "x//y", "..", ".", "", "x\0y"],
)
@pytest.mark.parametrize("suffix", ["", "/"])
def test_a_listing_that_leaves_its_directory_is_refused_whole(
    cache: Path, name: str, suffix: str
) -> None:
    listing = ["good", name + suffix]
    with serving(registry(FILES, listing)) as fake, pytest.raises(ValueError, match=r".+"):
        fetch(fake, cache)
    assert outside(cache) == []
    assert [path for path in cache.rglob("*") if path.name in ("good", "x", "....OK")] == []
    assert not any("/fetch/" in line and "good" in line for line in fake.asked)


@pytest.mark.parametrize("listing", [{}, "text", 1, None, [1], [["a"]], ["a", None]])
def test_a_listing_of_another_shape_is_an_error(cache: Path, listing: Any) -> None:
    def script(method: str, path: str) -> Reply:
        return as_json(listing) if path.startswith("/list") else registry(FILES)(method, path)

    with serving(script) as fake:
        with pytest.raises((ValueError, requests.RequestException)):
            fetch(fake, cache)
        with pytest.raises((ValueError, requests.RequestException)):
            pyg.list_projects("/not/here", fake.url)
    assert list(cache.rglob("....OK")) == []


@pytest.mark.parametrize("name", ["../x", "/x", "..", "a/../../b/"])
def test_listed_names_that_are_no_names_are_not_returned(name: str) -> None:
    with (
        serving(lambda *_: as_json([name.rstrip("/") + "/"])) as fake,
        pytest.raises(ValueError, match=r".+"),
    ):
        pyg.list_assets("p", "/not/here", fake.url)


@pytest.mark.parametrize("key", ["../x", "/x", "x/../../y", ""])
def test_a_manifest_that_leaves_its_version_does_no_harm(cache: Path, key: str) -> None:
    manifest = json.dumps({"good": entry(b"good"), key: entry(b"evil")}).encode()
    link = {"project": "..", "asset": "..", "version": "..", "path": "../../x"}
    linked = json.dumps({"good": {**entry(b"good"), "link": link}}).encode()
    for document in (manifest, linked):
        files = {**FILES, "..manifest": document}
        with serving(registry(files)) as fake:
            try:
                fetch(fake, cache)
            except (ValueError, requests.RequestException):
                assert list(cache.rglob("....OK")) == []
        assert outside(cache) == []


def without(cache: Path, name: str) -> None:
    """No file of this name, and no mark that all is there."""
    assert [path for path in cache.rglob(name) if "REGISTRY" in path.parts] == []
    assert list(cache.rglob("....OK")) == []
    assert outside(cache) == []


def instead(reply: Reply, target: str = "/fetch/p/a/v/x/y") -> Script:
    """The honest server with one answer replaced."""

    def script(method: str, path: str) -> Reply:
        return reply if path == target else registry(FILES)(method, path)

    return script


def test_wrong_bytes_are_refused(cache: Path) -> None:
    with serving(instead(Reply(b"DATA"))) as fake, pytest.raises(ValueError, match="MD5"):
        fetch(fake, cache)
    without(cache, "y")


def test_wrong_sizes_are_refused(cache: Path) -> None:
    with serving(instead(Reply(b"data and more"))) as fake, pytest.raises(ValueError, match="size"):
        fetch(fake, cache)
    without(cache, "y")


def test_wrong_bytes_are_tried_again(cache: Path) -> None:
    tries = iter([Reply(b"DATA")])

    def script(method: str, path: str) -> Reply:
        if path.endswith("/x/y"):
            return next(tries, Reply(b"data"))
        return registry(FILES)(method, path)

    with serving(script) as fake:
        assert Path(fetch(fake, cache), "x", "y").read_bytes() == b"data"


def test_a_truncated_body_is_tried_again_and_then_an_error(cache: Path) -> None:
    reply = Reply(b"da", length=4)
    with serving(instead(reply)) as fake, pytest.raises(requests.ConnectionError):
        fetch(fake, cache)
    assert fake.asked.count("GET /fetch/p/a/v/x/y") >= 2
    without(cache, "y")


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("target", ["/fetch/p/a/v/x/y", "/list?path=p%2Fa%2Fv&recursive=true"])
def test_a_server_that_stalls_is_left_in_time(cache: Path, target: str) -> None:
    reply = Reply(b"d", length=4, stall=True)
    begin = time.perf_counter()
    with serving(instead(reply, target)) as fake, pytest.raises(requests.Timeout):
        fetch(fake, cache)
    assert time.perf_counter() - begin < 10
    without(cache, "y")


@pytest.mark.parametrize("status", [400, 403, 500, 501])
def test_an_error_page_is_an_http_error(cache: Path, status: int) -> None:
    reply = Reply(b"<html>oh</html>", status, "text/html")
    with serving(instead(reply)) as fake, pytest.raises(requests.HTTPError) as caught:
        fetch(fake, cache)
    assert caught.value.args == (status, "<html>oh</html>")
    without(cache, "y")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(cache: Path, status: int) -> None:
    tries = iter([Reply(b"busy", status, headers={"Retry-After": "0"})])

    def script(method: str, path: str) -> Reply:
        if path.endswith("/x/y"):
            return next(tries, Reply(b"data"))
        return registry(FILES)(method, path)

    with serving(script) as fake:
        assert Path(fetch(fake, cache), "x", "y").read_bytes() == b"data"


def test_redirects_of_reads_are_followed(cache: Path) -> None:
    def script(method: str, path: str) -> Reply:
        if path.startswith("/moved"):
            return registry(FILES)(method, path.removeprefix("/moved"))
        return Reply(b"", 302, headers={"Location": "/moved" + path})

    with serving(script) as fake:
        assert Path(fetch(fake, cache), "x", "y").read_bytes() == b"data"


def test_endless_redirects_are_an_error(cache: Path) -> None:
    reply = Reply(b"", 302, headers={"Location": "/again"})
    with serving(lambda *_: reply) as fake, pytest.raises(requests.RequestException):
        fetch(fake, cache)
    assert len(fake.asked) < 200


def test_a_redirect_to_a_file_is_not_followed(cache: Path) -> None:
    reply = Reply(b"", 302, headers={"Location": "file:///etc/passwd"})
    with serving(instead(reply)) as fake, pytest.raises(requests.RequestException):
        fetch(fake, cache)
    without(cache, "y")


READS: dict[str, Callable[[str], object]] = {
    "usage": lambda url: pyg.fetch_usage("p", "/not/here", url),
    "latest": lambda url: pyg.fetch_latest("p", "a", "/not/here", url),
    "permissions": lambda url: pyg.fetch_permissions("p", "/not/here", url),
}
BODIES = [b"<html>", b"", b"[]", b"1", b'"text"', b"\xff", b"null"]
WRONG = b'{"total": "many", "version": 1, "owners": 2, "uploaders": "all"}'


@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize("body", [*BODIES, WRONG])
def test_documents_of_another_shape_are_errors(what: str, body: bytes) -> None:
    expected = (ValueError, TypeError, KeyError, requests.RequestException)
    with serving(lambda *_: Reply(body)) as fake, pytest.raises(expected):
        READS[what](fake.url)


@pytest.mark.usefixtures("hasty")
def test_an_endless_document_is_not_read_for_ever(cache: Path) -> None:
    def script(method: str, path: str) -> Reply:
        return Reply(b" " * 1_000_000, length=1 << 40, stall=True)

    begin = time.perf_counter()
    with serving(script) as fake, pytest.raises((ValueError, requests.RequestException)):
        pyg.fetch_usage("p", "/not/here", fake.url)
    assert time.perf_counter() - begin < 10
