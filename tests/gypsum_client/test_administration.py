"""Projects, permissions, quotas, probation and records worked out again."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import gypsum_client as gyp
import pytest
from support.bucket import OUTSIDER, OWNER, Gypsum
from support.fake import Reply, serving


def test_a_project_is_created_with_permissions_and_quota(empty: Gypsum) -> None:
    gyp.create_project("p", "alice", **empty.writer)
    assert gyp.fetch_permissions("p", url=empty.url) == {"owners": ["alice"], "uploaders": []}
    uploaders = [{"id": "bob", "until": "2030-01-01T01:00:00+01:00", "trusted": True}]
    gyp.create_project("q", ["alice", "bob"], uploaders, 1000, 2000, 2020, **empty.writer)
    assert gyp.fetch_quota("q", url=empty.url) == {
        "baseline": 1000,
        "growth_rate": 2000,
        "year": 2020,
    }
    found = gyp.fetch_permissions("q", url=empty.url)
    until = datetime.datetime(2030, 1, 1)
    assert found["owners"] == ["alice", "bob"]
    assert found["uploaders"] == [{"id": "bob", "until": until, "trusted": True}]
    assert uploaders == [{"id": "bob", "until": "2030-01-01T01:00:00+01:00", "trusted": True}]
    gyp.create_project("r", ["alice"], None, **empty.writer)


@pytest.mark.parametrize("name", ["a b", "é%41", "a+b&c?#"])
def test_odd_names_stay_what_they_are(empty: Gypsum, name: str) -> None:  # D7
    gyp.create_project(name, "alice", **empty.writer)
    assert gyp.list_projects(url=empty.url) == [name]
    assert gyp.fetch_usage(name, url=empty.url) == 0
    gyp.remove_project(name, **empty.writer)
    assert gyp.list_projects(url=empty.url) == []


@pytest.mark.parametrize(
    ("until", "sent"),
    [
        (datetime.datetime(2030, 1, 2, 3, 4, 5), "2030-01-02T03:04:05Z"),
        (datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "2030-01-02T03:04:05Z"),
        ("2030-01-02T05:04:05+02:00", "2030-01-02T03:04:05Z"),
        ("2030-01-02T03:04:05", "2030-01-02T03:04:05Z"),
    ],
)
def test_times_are_sent_as_utc(gypsum: Gypsum, until: Any, sent: str) -> None:
    gyp.set_permissions("test-R", uploaders=[{"id": "bob", "until": until}], **gypsum.writer)
    assert gypsum.read("test-R", "..permissions")["uploaders"][0]["until"] == sent
    found = gyp.fetch_permissions("test-R", url=gypsum.url)["uploaders"][0]["until"]
    assert found == datetime.datetime(2030, 1, 2, 3, 4, 5)


def test_permissions_are_appended_in_order_or_replaced(gypsum: Gypsum) -> None:  # D23
    def permissions() -> dict[str, Any]:
        found: dict[str, Any] = gypsum.read("test-R", "..permissions")
        return found

    until = "2030-01-02T03:04:05Z"
    gyp.set_permissions(
        "test-R", owners="carol", uploaders=[{"id": "bob", "until": until}], **gypsum.writer
    )
    gyp.set_permissions(
        "test-R", owners=["bob", "alice"], uploaders=[{"id": "eve"}], **gypsum.writer
    )
    assert permissions()["owners"] == ["alice", "carol", "bob"]
    assert permissions()["uploaders"] == [{"id": "bob", "until": until}, {"id": "eve"}]
    gyp.set_permissions("test-R", owners=["root-admin"], append=False, **gypsum.writer)
    assert permissions()["owners"] == ["root-admin"]
    assert len(permissions()["uploaders"]) == 2


def test_quotas_are_set_in_parts(gypsum: Gypsum) -> None:  # D34
    gyp.set_quota("test-R", baseline=5, **gypsum.writer)
    gyp.set_quota("test-R", growth=7, year=2021, **gypsum.writer)
    quota = {"baseline": 5, "growth_rate": 7, "year": 2021}
    assert gyp.fetch_quota("test-R", url=gypsum.url) == quota
    with pytest.raises(TypeError, match="not both"):
        gyp.set_quota("test-R", growth=7, growth_rate=7, **gypsum.writer)


def test_removals(gypsum: Gypsum) -> None:
    assert gyp.remove_version("test-R", "basic", "v3", **gypsum.writer) is True
    assert gyp.list_versions("test-R", "basic", url=gypsum.url) == ["v1", "v2"]
    assert gyp.fetch_latest("test-R", "basic", url=gypsum.url) == "v2"
    assert gyp.remove_asset("test-R", "basic", **gypsum.writer) is True
    assert gyp.list_assets("test-R", url=gypsum.url) == []
    assert gyp.remove_project("test-R", **gypsum.writer) is True
    assert gyp.list_projects(url=gypsum.url) == ["test-Py"]


def test_records_are_worked_out_again(gypsum: Gypsum) -> None:
    gypsum.path("test-R", "..usage").write_text('{"total": 1}')
    assert gyp.refresh_usage("test-R", **gypsum.writer) == 73
    assert gyp.fetch_usage("test-R", url=gypsum.url) == 73
    gypsum.path("test-R", "basic", "..latest").unlink()
    assert gyp.refresh_latest("test-R", "basic", **gypsum.writer) == "v3"
    assert gyp.refresh_latest("test-R", "none", **gypsum.writer) is None


def test_probation_is_decided(empty: Gypsum, anybody: Callable[..., None]) -> None:
    for version in ("good", "bad"):
        anybody(version, {"f": version}, probation=True)
    gyp.approve_probation("p", "a", "good", url=empty.url, token=OWNER)
    gyp.reject_probation("p", "a", "bad", url=empty.url, token=OWNER)
    assert gyp.list_versions("p", "a", url=empty.url) == ["good"]
    assert gyp.fetch_latest("p", "a", url=empty.url) == "good"


def test_a_project_is_unlocked(gypsum: Gypsum) -> None:
    gyp.start_upload("test-R", "new", "v", [], **gypsum.writer)
    assert gypsum.is_locked("test-R")
    gyp.unlock_project("test-R", **gypsum.writer)
    assert not gypsum.is_locked("test-R")


INIT = {"complete_url": "/c", "abort_url": "/a", "session_token": "s"}
FAILURES: dict[str, tuple[Callable[..., object], str]] = {
    "create": (
        lambda **to: gyp.create_project("p", "o", **to),
        "Failed to create a project, 403 and reason: {t}",
    ),
    "remove project": (
        lambda **to: gyp.remove_project("p", **to),
        "Failed to remove assets in the project, 403 and reason: {t}",
    ),
    "remove asset": (
        lambda **to: gyp.remove_asset("p", "a", **to),
        "Failed to remove assets in the project, 403 and reason: {t}",
    ),
    "remove version": (
        lambda **to: gyp.remove_version("p", "a", "v", **to),
        "Failed to remove assets in the project, 403 and reason: {t}",
    ),
    "quota": (lambda **to: gyp.set_quota("p", **to), "Failed to set quota, 403 and reason: {t}."),
    "permissions": (
        lambda **to: gyp.set_permissions("p", append=False, **to),
        "Failed to set permissions, 403 and reason: {t}.",
    ),
    "approve": (
        lambda **to: gyp.approve_probation("p", "a", "v", **to),
        "Failed to approve probation, 403 and reason: {t}.",
    ),
    "reject": (
        lambda **to: gyp.reject_probation("p", "a", "v", **to),
        "Failed to reject probation, 403 and reason: {t}.",
    ),
    "latest": (
        lambda **to: gyp.refresh_latest("p", "a", **to),
        "Failed to refresh latest version, 403 and reason: {t}",
    ),
    "usage": (
        lambda **to: gyp.refresh_usage("p", **to),
        "Failed to refresh quota usage, 403 and reason: {t}",
    ),
    "start": (
        lambda **to: gyp.start_upload("p", "a", "v", [], **to),
        "Failed to start an upload, 403 and reason: {t}",
    ),
    "complete": (
        lambda url, token: gyp.complete_upload(INIT, url=url),
        "Failed to complete an upload session, 403 and reason: {t}",
    ),
    "abort": (
        lambda url, token: gyp.abort_upload(INIT, url=url),
        "Failed to abort the upload, 403 and reason: {t}",
    ),
}


@pytest.mark.parametrize("what", FAILURES)
def test_messages_are_the_originals(what: str) -> None:
    call, message = FAILURES[what]
    text = '{"status":"error","reason":"no"}'
    reply = Reply(text.encode(), 403, "application/json")
    with serving(lambda *_: reply) as fake, pytest.raises(gyp.GypsumError) as caught:
        call(url=fake.url, token="secret-token")
    assert str(caught.value) == message.replace("{t}", text)
    assert caught.value.status_code == 403
    changes = [line for line in fake.asked if not line.startswith("HEAD")]
    assert len(changes) == 1


def test_refusals_name_the_reason(gypsum: Gypsum) -> None:
    with pytest.raises(gyp.GypsumError, match="user is not an administrator") as caught:
        gyp.create_project("new", "dave", url=gypsum.url, token=OUTSIDER)
    assert caught.value.status_code == 403
    with pytest.raises(gyp.GypsumError, match="Bad credentials"):
        gyp.create_project("new", "dave", url=gypsum.url, token="expired")
