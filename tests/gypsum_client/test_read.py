"""Listings and records."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from gypsum_client._utils import _cast_datetime
from support.bucket import BAR, BLAH, Gypsum, entry
from support.fake import Reply, as_json, serving


def test_projects_assets_and_versions_are_listed(gypsum: Gypsum) -> None:
    assert gyp.list_projects(url=gypsum.url + "/") == ["test-Py", "test-R"]
    assert gyp.list_assets("test-R", url=gypsum.url) == ["basic"]
    assert gyp.list_versions("test-R", "basic", url=gypsum.url) == ["v1", "v2", "v3"]
    assert gyp.list_assets("none", url=gypsum.url) == []


def test_files_are_listed(gypsum: Gypsum) -> None:
    def files(version: str, prefix: str | None = None, include_dot: bool = True) -> list[str]:
        return gyp.list_files("test-R", "basic", version, prefix, include_dot, gypsum.url)

    assert files("v1") == ["..manifest", "..summary", "blah.txt", "foo/bar.txt"]
    assert files("v1", "foo/") == ["foo/bar.txt"]
    assert files("v1", include_dot=False) == ["blah.txt", "foo/bar.txt"]
    assert files("v2") == ["..links", "..manifest", "..summary", "foo/..links"]
    assert files("v2", include_dot=False) == []
    assert files("none") == []


@pytest.mark.parametrize("asset", ["test-R", "R", "a/R"])
def test_a_prefix_is_removed_at_the_start_only(asset: str) -> None:  # D6
    with serving(lambda *_: as_json([f"R/{asset}/", "R/..hidden/"])) as fake:
        assert gyp.list_assets("R", url=fake.url) == [asset]


def test_records_are_fetched(gypsum: Gypsum, cache: Path) -> None:
    assert gyp.fetch_latest("test-R", "basic", url=gypsum.url) == "v3"
    assert gyp.fetch_usage("test-R", url=gypsum.url) == 73
    assert gyp.fetch_permissions("test-R", url=gypsum.url) == {"owners": ["alice"], "uploaders": []}
    quota = gyp.fetch_quota("test-R", url=gypsum.url)
    assert quota["baseline"] == 10e9
    assert quota["growth_rate"] == 20e9
    for place in (cache, None):
        manifest = gyp.fetch_manifest("test-R", "basic", "v1", place, url=gypsum.url)
        assert manifest == {
            "blah.txt": entry(BLAH.encode()),
            "foo/bar.txt": entry(BAR.encode()),
        }
        summary = gyp.fetch_summary("test-R", "basic", "v1", place, url=gypsum.url)
        assert summary["upload_user_id"] == "root-admin"
        times = summary["upload_start"], summary["upload_finish"]
        assert all(time.tzinfo is None and time.microsecond == 0 for time in times)
        assert times[0] <= times[1]
        assert "on_probation" not in summary


def test_links_are_in_the_manifest(gypsum: Gypsum, cache: Path) -> None:
    link = gyp.fetch_manifest("test-R", "basic", "v3", cache, url=gypsum.url)["blah.txt"]["link"]
    target = {"project": "test-R", "asset": "basic", "path": "blah.txt"}
    assert link == {**target, "version": "v2", "ancestor": {**target, "version": "v1"}}


def test_cached_records_are_used_whatever_they_hold(gypsum: Gypsum, cache: Path) -> None:
    def fetch(**options: Any) -> Any:
        return gyp.fetch_manifest("test-R", "basic", "v1", cache, url=gypsum.url, **options)

    good = fetch()
    file = cache / "bucket" / "test-R" / "basic" / "v1" / "..manifest"
    file.write_text("[]")
    assert fetch() == []
    assert fetch(overwrite=True) == good
    assert json.loads(file.read_text()) == good


def test_summaries_that_may_change_are_not_kept(
    empty: Gypsum, cache: Path, anybody: Callable[..., None]
) -> None:  # D17
    anybody("v", {"f": "text"}, probation=True)

    def fetch() -> dict[str, Any]:
        return gyp.fetch_summary("p", "a", "v", cache, url=empty.url)

    assert fetch()["on_probation"] is True
    assert not list(cache.rglob("..summary"))
    gyp.save_version("p", "a", "v", cache, url=empty.url)
    gyp.approve_probation("p", "a", "v", **empty.writer)
    # What is cached is told once more, as the original does.
    assert fetch()["on_probation"] is True
    assert "on_probation" not in fetch()
    session = gyp.start_upload("p", "a", "w", [], **empty.writer)
    assert "upload_finish" not in gyp.fetch_summary("p", "a", "w", cache, url=empty.url)
    gyp.complete_upload(session, url=empty.url)
    assert "upload_finish" in gyp.fetch_summary("p", "a", "w", cache, url=empty.url)


def test_a_cached_summary_on_probation_is_deleted_when_it_was_read(cache: Path) -> None:
    file = cache / "bucket" / "p" / "a" / "v" / "..summary"
    file.parent.mkdir(parents=True)
    file.write_text('{"upload_start": "2022-01-01T01:01:01Z", "on_probation": true}')
    with serving(lambda *_: as_json({"upload_start": "2022-01-01T01:01:01Z"})) as fake:
        summary = gyp.fetch_summary("p", "a", "v", cache, url=fake.url)
        assert not fake.asked
    assert summary["on_probation"] is True
    assert not file.exists()


@pytest.mark.parametrize(
    "text",
    [
        "2022-01-01T01:01:01Z",
        "2022-01-01T01:01:01.123Z",
        "2022-01-01T01:01:01",
        "2022-01-01T02:01:01+01:00",
        "2022-01-01T00:01:01.5-01:00",
    ],
)
def test_times_are_utc_without_a_zone(text: str) -> None:
    assert _cast_datetime(text) == datetime.datetime(2022, 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda url, _: gyp.list_files("p", "a", "v", url=url),
            "Failed to list files in a project, 418 and reason: {t}",
        ),
        (
            lambda url, _: gyp.list_projects(url=url),
            "Failed to access files from API, 418 and reason: {t}",
        ),
        (
            lambda url, _: gyp.fetch_latest("p", "a", url=url),
            "Failed to access json from API, 418 and reason: {t}",
        ),
        (
            lambda url, _: gyp.fetch_manifest("p", "a", "v", None, url=url),
            "Failed to access json from API, 418 and reason: {t}",
        ),
        (
            lambda url, cache: gyp.fetch_manifest("p", "a", "v", cache, url=url),
            "Failed to save 'p/a/v/..manifest'; Failed to save file from API, 418 and reason: {t}.",
        ),
    ],
)
def test_messages_are_the_originals(
    call: Callable[[str, Path], object], message: str, cache: Path
) -> None:
    text = '{"status":"error","reason":"tea"}'
    reply = Reply(text.encode(), 418, "application/json")
    with serving(lambda *_: reply) as fake, pytest.raises(gyp.GypsumError) as caught:
        call(fake.url, cache)
    assert str(caught.value) == message.replace("{t}", text)
    assert (caught.value.status_code, caught.value.reason) == (418, "tea")


WRONG = {
    "version": 5,
    "total": "x",
    "uploaders": [7],
    "upload_start": [],
    "login": None,
    "file_urls": 3,
    "blah.txt": 1,
}


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"\xff", b"null", b"[]", b'"text"', b"{}", json.dumps(WRONG).encode()]
)
def test_answers_of_another_shape_are_errors(body: bytes, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with serving(lambda *_: Reply(body)) as fake:
        url = fake.url
        change: dict[str, Any] = {"url": url, "token": "tok"}
        calls: list[Callable[[], object]] = [
            lambda: gyp.fetch_latest("p", "a", url=url),
            lambda: gyp.fetch_usage("p", url=url),
            lambda: gyp.refresh_usage("p", **change),
            lambda: gyp.public_s3_config(url=url),
            lambda: gyp.set_access_token("tok", github_url=url),
            lambda: gyp.start_upload("p", "a", "v", ["f"], directory=tmp_path, **change),
            lambda: gyp.save_version("p", "a", "v", cache, url=url),
        ]
        if body != b"[]":
            calls.append(lambda: gyp.list_projects(url=url))
        # An object without fields may be any of these.
        if body != b"{}":
            calls += [
                lambda: gyp.fetch_summary("p", "a", "v", cache, url=url),
                lambda: gyp.fetch_permissions("p", url=url),
            ]
        if not body.startswith(b"{"):
            calls += [
                lambda: gyp.fetch_manifest("p", "a", "v", None, url=url),
                lambda: gyp.fetch_quota("p", url=url),
            ]
        for call in calls:
            with pytest.raises(gyp.GypsumError) as caught:
                call()
            assert "tok" not in str(caught.value).replace("token", "")
        if body in (b"", b"null", b"{}"):
            assert gyp.refresh_latest("p", "a", **change) is None
        else:
            with pytest.raises(gyp.GypsumError):
                gyp.refresh_latest("p", "a", **change)
        if body in (b"<html>", b"", b"\xff"):
            with pytest.raises(gyp.GypsumContentError):
                gyp.fetch_manifest("p", "a", "v", cache, url=url)
            assert not list(cache.rglob("..manifest"))
    assert not list(cache.rglob("blah.txt"))


def test_a_refused_connection_is_an_os_error(cache: Path) -> None:
    for call in (
        lambda: gyp.list_projects(url="http://127.0.0.1:9"),
        lambda: gyp.save_file("p", "a", "v", "f", cache, url="http://127.0.0.1:9"),  # D14
    ):
        with pytest.raises(gyp.GypsumConnectionError) as caught:
            call()
        assert isinstance(caught.value, OSError)
        assert "does not exist" not in str(caught.value)
