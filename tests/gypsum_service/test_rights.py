"""Every endpoint of gypsum, tried by everybody, against the table that the documents show."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import gypsum, rights
from support.gypsum import Api, Session, entry
from support.rights import GYPSUM, NO, PROBATION, YES
from support.service import Answer
from support.tree import registry_state

LOGINS: dict[str, dict[str, Any]] = {
    user: {"login": f"user-{number}"} for number, user in enumerate(rights.GYPSUM_USERS[1:])
}
ORGANIZATIONS = {
    "organization that uploads": "labs",
    "organization that owns": "acme",
    "organization of administrators": "gypsum-admins",
}
LOGINS["administrator"] = {"login": "root-admin"}
for _user, _organization in ORGANIZATIONS.items():
    LOGINS[_user]["organizations"] = ["another", _organization]
FILES = {"f": b"content"}
VERSION = "chosen"

_numbers = itertools.count()


def token(user: str) -> str | None:
    return None if user == "anonymous" else f"token of {user}".replace(" ", "-")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    tokens = {str(token(user)): login for user, login in LOGINS.items()}
    root = tmp_path_factory.mktemp("rights") / "registry"
    with gypsum.server(root, tokens=tokens) as running:
        yield gypsum.api(running)


def admin(api: Api, method: str, path: str, body: Any = None) -> None:
    answer = api.call(method, path, token("administrator"), body)
    assert answer.status == 200, answer.body


def permissions() -> dict[str, Any]:
    login = {user: who["login"] for user, who in LOGINS.items()}
    over, ahead = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    return {
        "owners": [login["owner"], "acme"],
        "uploaders": [
            {"id": login["uploader of the asset"], "asset": "a", "until": ahead},
            {"id": login["uploader of the version"], "version": VERSION},
            {"id": login["uploader, time is over"], "until": over, "trusted": True},
            {"id": login["uploader, trusted"], "trusted": True},
            {"id": "labs"},
        ],
    }


def start(api: Api, path: str, user: str, **more: Any) -> Answer:
    files = [entry(*file) for file in FILES.items()]
    body = {"files": files, "spoof": "root-admin", **more}
    return api.call("POST", f"/upload/start/{path}", token(user), body)


def upload(api: Api, path: str, user: str, **more: Any) -> None:
    session = Session(api, start(api, path, user, **more).json())
    assert session.put(FILES["f"]).status == 200
    assert session.complete().status == 200


def prepare(api: Api, row: str, author: str) -> str:
    """Make the project that a row of the table is tried on, with everything that it takes."""
    project = f"p{next(_numbers)}"
    admin(api, "POST", f"/create/{project}", {"permissions": permissions()})
    if "/upload" not in row:
        upload(api, f"{project}/a/{VERSION}", author, on_probation="/probation" in row)
    return project


def state(api: Api, project: str) -> Any:
    """What the projects are, and what is in one of them."""
    return sorted(os.listdir(api.registry)), registry_state(api.registry / project)


def ask(api: Api, row: str, user: str, project: str) -> Answer:
    """Ask for what the row is about, as a user."""
    version = f"{project}/a/{VERSION}"
    # No member of a body makes anybody somebody else.
    body: Any = {"spoof": "root-admin"}
    method, path, *_ = row.split(" ")
    path = path.removesuffix(",")
    starts = {
        "POST /upload/start": version,
        "POST /upload/start of another asset": f"{project}/b/{VERSION}",
        "POST /upload/start of another version": f"{project}/a/other",
    }
    if row in starts:
        return start(api, starts[row], user)
    places = {
        "POST /create": f"new-{project}",
        "POST /refresh/latest": f"{project}/a",
        "DELETE /remove of the version": version,
        "DELETE /remove of the asset": f"{project}/a",
    }
    if row in ("PUT /permissions", "PUT /quota"):
        body |= {"owners": [], "baseline": 1}
    if path.startswith("/probation"):
        places[row] = version
    if row.endswith("own token"):
        session = Session(api, start(api, version, "administrator").json())
        kind = {"/upload/complete": "complete_url", "/upload/abort": "abort_url"}.get(path)
        place = session.started[kind] if kind else session.started["file_urls"][0]["url"]
        return api.call(method, place, token(user), body)
    if method == "GET":
        path, place = (path, "") if "github" in path else ("/list", "?prefix=")
        return api.call(method, path + place, token(user))
    return api.call(method, f"{path}/{places.get(row, project)}", token(user), body)


@pytest.mark.parametrize("row", list(GYPSUM))
def test_everybody_may_do_what_the_table_says(api: Api, row: str) -> None:
    found = {}
    project = ""
    for user in rights.GYPSUM_USERS:
        is_own = "of one's own" in row and GYPSUM["POST /upload/start"][user] != NO
        if is_own or not project:
            project = prepare(api, row, user if is_own else "administrator")
        before = state(api, project)
        answer = ask(api, row, user, project)
        if answer.status == 200:
            found[user] = YES
            was, project = project, ""
            if row.startswith("POST /upload/start"):
                session = Session(api, answer.json())
                _, asset, version = session.started["complete_url"].rsplit("/", 2)
                summary = api.read(f"{was}/{asset}/{version}/..summary")
                found[user] = PROBATION if summary["on_probation"] else YES
                assert summary["upload_user_id"] == LOGINS[user]["login"]
        else:
            found[user] = NO
            # Only the right of an uploader depends on who has uploaded.
            statuses = (403, 400) if row == "POST /probation/reject" else (403,)
            assert answer.status in ((401,) if user == "anonymous" else statuses), answer.body
            if row.endswith("own token"):
                project = ""  # It is locked by the session.
            else:
                assert state(api, project) == before
    assert found == GYPSUM[row]


def test_a_token_that_nobody_knows_is_anonymous(api: Api) -> None:
    for method, path in [("POST", "/create/unknown"), ("GET", "/github/user")]:
        assert api.call(method, path, "unknown").status == 401


def test_an_upload_ends_with_its_session_and_not_with_the_right(api: Api) -> None:
    user, project = "uploader, trusted", f"p{next(_numbers)}"
    admin(api, "POST", f"/create/{project}", {"permissions": permissions()})
    first = Session(api, start(api, f"{project}/a/1", user).json())
    assert first.put(FILES["f"]).status == 200
    admin(api, "PUT", f"/permissions/{project}", {"uploaders": []})
    # What was begun with the right may be finished, and nothing else may be begun.
    assert first.complete().status == 200
    assert start(api, f"{project}/a/2", user).status == 403
    admin(api, "PUT", f"/permissions/{project}", permissions())
    second = Session(api, start(api, f"{project}/a/2", user).json())
    assert second.put(FILES["f"]).status == 200
    presigned = second.presign()
    admin(api, "DELETE", f"/unlock/{project}")
    assert second.complete().status == 403
    assert gypsum.put(presigned, FILES["f"]).status == 403
    assert not api.registry.joinpath(project, "a", "..latest").read_text().count('"2"')


def test_the_documents_show_the_table() -> None:
    text = Path(rights.DOCS / "gypsum-service.md").read_text()
    assert rights.markdown(GYPSUM, "request") in text
