"""What the original backend gets wrong, and this service must not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import gypsum
from support.gypsum import Api, Session, entry, exchange
from support.service import Answer
from support.tree import everything


def reason(api: Api, path: str, files: list[Any], **more: Any) -> tuple[int, str]:
    answer = api.start(path, files, **more)
    return answer.status, answer.reason


def test_a_refused_start_deletes_nothing(project: Api) -> None:
    project.upload("p/a/v1", {"x": b"one"})
    before = project.all_keys()
    assert reason(project, "p/a/v1", [entry("y", b"two")]) == (
        400,
        "project-asset-version already exists",
    )
    assert project.all_keys() == before
    assert project.get("p/a/v1/x").body == b"one"


def test_a_start_over_objects_of_unknown_origin_is_refused(project: Api) -> None:
    stray = project.registry / "p/a/v1/stray"
    stray.parent.mkdir(parents=True)
    stray.write_text("somebody's")
    assert reason(project, "p/a/v1", [])[0] == 400
    assert stray.read_text() == "somebody's"


@pytest.mark.parametrize("path", ["/a", "a/", "a//b", "a\\b"])
def test_bad_paths_get_400(project: Api, path: str) -> None:
    status, why = reason(project, "p/a/v1", [entry(path, b"")])
    assert (status, "'files.path' cannot" in why) == (400, True)
    assert project.listed("p/a") == []


@pytest.mark.parametrize(
    "path", ["日本/語.txt", "qq?.txt", "q?.txt", "a b+c%20.txt", "\n\x7f", "é"]
)
def test_any_name_can_be_uploaded_and_read(project: Api, path: str) -> None:
    project.upload("p/a/v1", {path: b"content"})
    assert project.get(f"p/a/v1/{path}").body == b"content"
    assert f"p/a/v1/{path}" in project.all_keys()


@pytest.mark.parametrize("md5sum", ["", "00", "g" * 32, "0" * 31])
def test_digests_are_checked_at_the_start(project: Api, md5sum: str) -> None:
    files = [{**entry("x", b""), "md5sum": md5sum}]
    why = "'files.md5sum' should be a 32-digit hexadecimal string"
    assert reason(project, "p/a/v1", files) == (400, why)


def test_digests_are_stored_in_lower_case(project: Api) -> None:
    described = entry("x", b"1")
    session = project.session("p/a/v1", [{**described, "md5sum": described["md5sum"].upper()}])
    assert session.put(b"1").status == 200
    assert session.complete().status == 200
    assert project.read("p/a/v1/..manifest")["x"]["md5sum"] == described["md5sum"]


def test_urls_of_odd_names_work_as_they_are(api: Api) -> None:
    name = "pro ject+%é?#"
    api.create(name)
    path = "/".join(gypsum.quote(part) for part in (name, "a b", "v#1"))
    session = api.session(path, [entry("x", b"1")])
    assert session.started["complete_url"].isascii()
    assert session.put(b"1").status == 200
    assert session.complete().status == 200
    assert api.read(f"{name}/a b/..latest") == {"version": "v#1"}


def test_prefixes_are_decoded_once(project: Api) -> None:
    project.upload("p/a/v1", {"50%25": b"1"})
    assert project.listed("p/a/v1/50%25") == ["p/a/v1/50%25"]
    assert project.call("GET", "/list?prefix=%").status == 400


def test_unfinished_versions_are_never_the_latest(project: Api) -> None:
    project.upload("p/a/v2", {"x": b"1"})
    project.session("p/a/v1", [entry("x", b"2")])
    assert project.admin("DELETE", "/unlock/p").status == 200
    (project.registry / "p/a/v0").mkdir()
    (project.registry / "p/a/v0/stray").write_text("no summary")
    assert project.admin("POST", "/refresh/latest/p/a").json() == {"version": "v2"}


def test_an_unfinished_version_cannot_be_approved(project: Api) -> None:
    project.session("p/a/v1", [entry("x", b"2")], on_probation=True)
    assert project.admin("DELETE", "/unlock/p").status == 200
    assert project.admin("POST", "/probation/approve/p/a/v1").status == 400


@pytest.mark.parametrize("path", ["nowhere/a", "nowhere/a/v"])
def test_removing_below_nothing_makes_nothing(api: Api, path: str) -> None:
    answer = api.admin("DELETE", f"/remove/{path}")
    assert (answer.status, answer.reason) == (400, "project does not exist")
    assert list(api.registry.iterdir()) == []


def test_exactly_one_of_many_starts_wins(project: Api) -> None:
    with ThreadPoolExecutor(16) as pool:
        started = pool.map(
            lambda number: project.start(f"p/a{number % 3}/v{number}", [entry("x", b"1")]),
            range(48),
        )
        answers = list(started)
    refusals = [answer for answer in answers if answer.status != 200]
    assert len(refusals) == 47
    assert {answer.reason for answer in refusals} == {"project asset has already been locked"}
    assert len(project.listed("p/", recursive=True)) == 6


def test_exactly_one_of_two_services_wins(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    with gypsum.server(registry) as one, gypsum.server(registry) as other:
        apis = [gypsum.api(one), gypsum.api(other)]
        apis[0].create("p")
        for turn in range(10):
            with ThreadPoolExecutor(8) as pool:
                answers = list(
                    pool.map(lambda number: apis[number % 2].start(f"p/a/v{number}", []), range(8))
                )
            assert sorted(answer.status for answer in answers) == [200] + [403] * 7, turn
            assert apis[0].admin("DELETE", "/unlock/p").status == 200
            assert apis[1].admin("DELETE", "/remove/p/a").status == 200


def test_a_lost_session_locks_its_project_until_it_is_unlocked(project: Api) -> None:
    project.session("p/a/v1", [entry("x", b"1")])
    assert project.start("p/a/v2", []).status == 403
    assert project.admin("DELETE", "/unlock/p").status == 200
    assert project.start("p/a/v2", []).status == 200


def test_a_client_may_choose_the_token_of_its_session(project: Api) -> None:
    place, token = "/upload/start/p/a/v1", "11111111-1111-4111-8111-111111111111"
    for chosen, status in [("", 400), (f"{token}1", 400), ("\xff", 400), (token, 200)]:
        headers = {"Authorization": "Bearer owner-token", "Selenite-Session-Token": chosen}
        answer = exchange(project.url, "POST", place, headers, b'{"files": []}')
        assert answer.status == status, answer.reason
    assert answer.json()["session_token"] == token
    # So it can end what it was never told of.
    assert Session(project, answer.json()).abort().status == 200
    assert project.start("p/a/v1", []).status == 200


def test_a_session_is_started_again_by_the_client_that_has_chosen_its_token(project: Api) -> None:
    look = exchange(project.url, "HEAD", "/file/p%2Fa%2Fv1%2F..summary")
    assert (look.status, look.headers["selenite-session-token"]) == (404, "chosen")
    token = "11111111-1111-4111-8111-111111111111"

    def start(files: list[Any], token: str = token) -> Answer:
        headers = {"Authorization": "Bearer owner-token", "Selenite-Session-Token": token}
        body = json.dumps({"files": files}).encode()
        return exchange(project.url, "POST", "/upload/start/p/a/v1", headers, body)

    files = [entry("x", b"1"), entry("y", b"2")]
    first = start(files)
    before = everything(project.registry)
    again = start(files)
    assert (again.status, again.body) == (first.status, first.body)
    assert everything(project.registry) == before
    # Another request, another client.
    assert start(files[:1]).status == 403
    assert start(files, "22222222-2222-4222-8222-222222222222").status == 403
    session = Session(project, first.json())
    assert session.put(b"1").status == 200
    assert start(files).status == 403
    assert session.put(b"2", 1).status == 200
    assert session.complete().status == 200
    assert start(files).status == 400


def test_a_session_that_takes_too_long_is_ended_by_the_next(tmp_path: Path) -> None:
    with gypsum.server(tmp_path / "registry", lock_timeout=0) as running:
        api = gypsum.api(running)
        api.create("p")
        overdue = api.session("p/a/v1", [entry("x", b"1")])
        session = api.session("p/a/v2", [])
        assert api.listed("p/a/v1") == []
        assert overdue.complete().status == 403
        assert session.complete().status == 200


@pytest.mark.parametrize("name", ["..x", ".", "..", "a\\b", "a/b", "a\0b", "a\nb", "x" * 256])
def test_bad_names_are_refused_by_create_and_start(project: Api, name: str) -> None:
    quoted = gypsum.quote(name)
    before = sorted(project.registry.rglob("*"))
    for method, path in [
        ("POST", f"/create/{quoted}"),
        ("POST", f"/upload/start/{quoted}/a/v"),
        ("POST", f"/upload/start/p/{quoted}/v"),
        ("POST", f"/upload/start/p/a/{quoted}"),
        ("DELETE", f"/remove/{quoted}"),
        ("DELETE", f"/remove/p/{quoted}"),
        ("DELETE", f"/remove/p/a/{quoted}"),
        ("POST", f"/refresh/latest/p/{quoted}"),
        ("PUT", f"/quota/{quoted}"),
    ]:
        answer = project.admin(method, path, {"files": []})
        assert answer.status == 400, (method, path, answer.body)
        assert "name cannot" in answer.reason
    assert sorted(project.registry.rglob("*")) == before


def test_permissions_count_at_once(project: Api) -> None:
    path = "/permissions/p"
    assert project.call("PUT", path, "owner-token", {"owners": ["bob"]}).status == 200
    assert project.start("p/a/v1", []).status == 403
    assert project.start("p/a/v1", [], token="uploader-token").status == 200
    assert project.admin("DELETE", "/unlock/p").status == 200
    assert project.admin("DELETE", "/remove/p").status == 200
    project.create("p")
    assert project.start("p/a/v1", [], token="uploader-token").status == 403


def test_only_the_first_entry_of_an_uploader_counts(project: Api) -> None:
    uploaders = [{"id": "bob", "asset": "other"}, {"id": "bob", "trusted": True}]
    assert project.admin("PUT", "/permissions/p", {"uploaders": uploaders}).status == 200
    assert project.start("p/a/v1", [], token="uploader-token").status == 403
    assert project.start("p/other/v1", [], token="uploader-token").status == 200


def test_only_files_of_the_manifest_are_presigned(project: Api) -> None:
    first = project.session("p/a/v1", [entry("x", b"1")])
    assert first.abort().status == 200
    second = project.session("p/a/v1", [entry("y", b"1")])
    answer = second.post(first.started["file_urls"][0]["url"])
    assert (answer.status, answer.reason) == (400, "path 'x' is not in the manifest")


def test_the_version_that_is_completed_last_is_the_latest(project: Api) -> None:
    project.upload("p/a/v2", {"x": b"2"})
    project.upload("p/a/v1", {"x": b"1"})
    assert project.read("p/a/..latest") == {"version": "v1"}


def test_a_path_is_a_file_or_a_directory(project: Api) -> None:
    for paths in (["a", "a/b"], ["a/b/c", "a/b"]):
        status, why = reason(project, "p/a/v1", [entry(path, b"") for path in paths])
        assert (status, "both a file and a directory" in why) == (400, True)
    for path in ("a/./b", "x" * 256, "y/" * 600 + "z", "a\0"):
        assert reason(project, "p/a/v1", [entry(path, b"")])[0] == 400
