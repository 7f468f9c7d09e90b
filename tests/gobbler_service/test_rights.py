"""Every action of the Gobbler, tried by everybody, against the table that the documents show."""

from __future__ import annotations

import itertools
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from support import rights
from support.rights import GOBBLER, NO, PROBATION, YES
from support.service import Answer, Gobbler, Service, exchange
from support.tree import make, registry_state

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

# Users that every system has.
UIDS = {
    "stranger": 1,
    "uploader of the asset": 2,
    "uploader of the version": 3,
    "uploader, time is over": 4,
    "uploader, trusted": 5,
    "owner of the asset": 6,
    "owner of the project": 7,
    "spoofer of the owner": 8,
    "administrator": 9,
}
SPOOFABLE = ("upload", "set_permissions", "approve_probation", "reject_probation")
VERSION = "chosen"

_numbers = itertools.count()


def name_of(user: str) -> str:
    return pwd.getpwuid(UIDS[user]).pw_name


class Matrix:
    """A service on which everybody of the table has the rights that the table is about."""

    def __init__(self, service: Service) -> None:
        self.gobbler: Gobbler = service.gobbler

    def send(self, user: str, action: str, payload: dict[str, Any]) -> Answer:
        if user == "anonymous":
            # Without a request file there is nobody who asks.
            return exchange(self.gobbler.url, "POST", f"/new/request-{action}-{next(_numbers)}")
        if user == "spoofer of the owner":
            payload = {**payload, "spoof": name_of("owner of the project")}
        return self.gobbler.request(action, payload, uid=UIDS[user])

    def done(self, action: str, payload: dict[str, Any]) -> None:
        answer = self.send("administrator", action, payload)
        assert answer.status == 200, answer.body

    def source(self, user: str) -> str:
        source = make(Path(self.gobbler.staging, f"source-{next(_numbers)}"), {"f": "content"})
        os.chown(source, UIDS.get(user, 0), -1)
        return source.name

    def project(self, project: str, **more: Any) -> None:
        """A project with everybody's rights; its asset `a` has the version `v`."""
        over, ahead = "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
        uploaders = [
            {"id": name_of("uploader of the asset"), "asset": "a", "until": ahead},
            {"id": name_of("uploader of the version"), "version": VERSION},
            {"id": name_of("uploader, time is over"), "until": over, "trusted": True},
            {"id": name_of("uploader, trusted"), "trusted": True},
        ]
        permissions = {"owners": [name_of("owner of the project")], "uploaders": uploaders, **more}
        self.done("create_project", {"project": project, "permissions": permissions})
        self.done("upload", {**self.version(project), "source": self.source("administrator")})
        owners = {"owners": [name_of("owner of the asset")]}
        self.done("set_permissions", {"project": project, "asset": "a", "permissions": owners})

    def version(self, project: str, asset: str = "a", version: str = "v") -> dict[str, Any]:
        return {"project": project, "asset": asset, "version": version}

    def state(self, project: str) -> Any:
        """What the projects are, and what is in one of them."""
        place = self.gobbler.path(project)
        inside = registry_state(place) if place.exists() else {}
        return sorted(os.listdir(self.gobbler.registry)), inside


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("rights")
    (root / "spoof").write_text(
        f"{name_of('spoofer of the owner')}:{name_of('owner of the project')}\n"
    )
    flags = ["-durable=false", "-spoof", str(root / "spoof")]
    with Service(root, admin=[name_of("administrator")], flags=flags) as service:
        yield Matrix(service)


def prepare(matrix: Matrix, row: str) -> str:
    """Make the project that a row of the table is tried on, with everything that it takes."""
    project = f"p{next(_numbers)}"
    if row not in ("create_project", "health_check"):
        matrix.project(project, global_write="global_write" in row)
    if row.endswith("_probation"):
        version = matrix.version(project, "a", "w")
        source = matrix.source("administrator")
        matrix.done("upload", {**version, "source": source, "on_probation": True})
    return project


def request(matrix: Matrix, row: str, user: str, project: str) -> tuple[str, dict[str, Any]]:
    """The action and the payload of a row, for a user."""
    version = matrix.version(project, "a", "w" if row.endswith("_probation") else "v")
    permissions = {"permissions": {"global_write": False}}
    if row.startswith("upload"):
        names = {
            "upload": ("a", VERSION),
            "upload to another asset": ("b", VERSION),
            "upload of another version": ("a", "other"),
            "upload of a new asset with global_write": ("b", "other"),
        }
        asset, name = names[row]
        return "upload", {
            **matrix.version(project, asset, name),
            "source": matrix.source(user),
        }
    payloads: dict[str, dict[str, Any]] = {
        "set_permissions of the project": {"project": project, **permissions},
        "set_permissions of the asset": {"project": project, "asset": "a", **permissions},
        "reroute_links": {"to_delete": [version]},
        "health_check": {},
    }
    return row.split(" ")[0], payloads.get(row, version)


@pytest.mark.parametrize("row", list(GOBBLER)[1:])
def test_everybody_may_do_what_the_table_says(matrix: Matrix, row: str) -> None:
    found = {}
    project = prepare(matrix, row)
    for user in rights.GOBBLER_USERS:
        action, payload = request(matrix, row, user, project)
        before = matrix.state(project)
        answer = matrix.send(user, action, payload)
        if answer.status == 200:
            found[user] = YES
            if action == "upload":
                names = (payload["project"], payload["asset"], payload["version"])
                summary = matrix.gobbler.read(*names, "..summary")
                found[user] = PROBATION if summary.get("on_probation") else YES
                acting = "owner of the project" if user.startswith("spoofer") else user
                assert summary["upload_user_id"] == name_of(acting)
            project = prepare(matrix, row)
        else:
            found[user] = NO
            assert answer.status == (400 if user == "anonymous" else 403), answer.body
            assert matrix.state(project) == before, user
    assert found == GOBBLER[row]


def test_everybody_may_read(matrix: Matrix) -> None:
    matrix.project("readable")
    for path in ("/list?path=readable", "/fetch/readable/a/v/f", "/info"):
        assert matrix.gobbler.get(path).status == 200


ACTIONS = [row for row in GOBBLER if " " not in row and row != "health_check"]


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_acts_for_whom_he_may_not(matrix: Matrix, action: str) -> None:
    project = prepare(matrix, action)
    for spoofer, spoofed in [
        ("stranger", "owner of the project"),
        ("stranger", "administrator"),
        ("spoofer of the owner", "administrator"),
        ("uploader, trusted", "owner of the project"),
    ]:
        _, payload = request(matrix, action, spoofer, project)
        before = matrix.state(project)
        payload = {**payload, "spoof": name_of(spoofed)}
        answer = matrix.gobbler.request(action, payload, uid=UIDS[spoofer])
        assert answer.status == 403, answer.body
        assert ("spoof" in answer.reason) == (action in SPOOFABLE)
        assert matrix.state(project) == before


def test_the_documents_show_the_table() -> None:
    text = (rights.DOCS / "service.md").read_text()
    assert rights.markdown(GOBBLER, "action") in text


def test_the_table_is_complete() -> None:
    rows = {row.split(" ")[0] for row in GOBBLER} - {"list,"}
    text = (rights.DOCS / "service.md").read_text()
    listed = text.split("Actions: ")[1].split(".\n")[0]
    assert rows == {name.strip(" `\n") for name in listed.split(",")}
