"""A Pangea service on loopback that does what the real one does, and a store of S3 beside it.

Everything is in memory. `tests/pangea_api/test_service.py` compares it with recorded exchanges.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import socket
import string
import threading
import time
import uuid as uuids
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

Record = dict[str, Any]

ANONYMOUS = "Authentication credentials were not provided."
FORBIDDEN = "You do not have permission to perform this action."
BLANK = "This field may not be blank."
NULL = "This field may not be null."
REQUIRED = "This field is required."
PAGE = 100


class Answer(Exception):
    """What a request is answered by."""

    def __init__(
        self, status: int, body: Any = None, kind: str | None = "application/json", **more: str
    ):
        super().__init__(status)
        self.status, self.body, self.kind, self.headers = status, body, kind, more


def refuse(text: str, status: int = 403) -> Answer:
    return Answer(status, {"detail": text})


def html(status: int) -> Answer:
    return Answer(status, f"<html><body><h1>{status}</h1></body></html>", "text/html")


def crash(kind: str = "text/plain") -> Answer:
    return Answer(500, "Traceback: something was not thought of", kind)


@dataclass
class Kind:
    """What the service keeps of one kind of things."""

    place: str
    title: str
    # Fields that clients write, with their defaults; `...` if they must be given.
    writable: Record
    filters: dict[str, str]
    parent: str | None = None
    parent_kind: str | None = None
    unique: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()


AR: Record = {"module_name": ..., "replicate": None, "description": "", "metadata": {}}
AR |= {"is_private": False, "is_hidden": False, "pipeline_module": None}
FIELD: Record = {"name": ..., "stored_data": {}, "description": ""}

KINDS = {
    kind.place: kind
    for kind in (
        Kind("organizations", "organization", {"name": ...}, {"name": "name"}, unique=("name",)),
        Kind(
            "sample_groups",
            "sample group",
            {
                "name": ...,
                "description": "",
                "is_library": False,
                "is_public": True,
                "theme": "",
                "long_description": "",
                "metadata": {},
                "bucket": None,
                "storage_provider_name": "custom",
                "sample_metadata_schema": {},
            },
            {"organization_id": "organization", "name": "name", "is_public": "is_public"},
            parent="organization",
            parent_kind="organizations",
            unique=("name",),
            blank=("description",),
            nullable=("bucket",),
        ),
        Kind(
            "samples",
            "sample",
            {"name": ..., "metadata": {}, "description": ""},
            {"library_id": "library", "name": "name"},
            parent="library",
            parent_kind="sample_groups",
            unique=("name", "library"),
        ),
        Kind(
            "sample_ars",
            "result",
            AR,
            {"sample_id": "sample", "module_name": "module_name", "replicate": "replicate"},
            parent="sample",
            parent_kind="samples",
            unique=("module_name", "replicate", "sample"),
            nullable=("pipeline_module",),
        ),
        Kind(
            "sample_group_ars",
            "result",
            AR,
            {"sample_group_id": "sample_group", "module_name": "module_name"}
            | {"replicate": "replicate"},
            parent="sample_group",
            parent_kind="sample_groups",
            unique=("module_name", "replicate", "sample_group"),
            nullable=("pipeline_module",),
        ),
        Kind(
            "sample_ar_fields",
            "field",
            FIELD,
            {"analysis_result_id": "analysis_result", "name": "name"},
            parent="analysis_result",
            parent_kind="sample_ars",
            unique=("analysis_result", "name"),
        ),
        Kind(
            "sample_group_ar_fields",
            "field",
            FIELD,
            {"analysis_result_id": "analysis_result", "name": "name"},
            parent="analysis_result",
            parent_kind="sample_group_ars",
            unique=("analysis_result", "name"),
        ),
        Kind(
            "pipelines",
            "pipeline",
            {"name": ..., "description": "", "long_description": ""},
            {"name": "name"},
            unique=("name",),
        ),
        Kind(
            "pipeline_modules",
            "pipeline module",
            {"name": ..., "version": ..., "description": "", "long_description": ""}
            | {"metadata": {}, "dependencies": []},
            {"name": "name", "pipeline": "pipeline"},
            parent="pipeline",
            parent_kind="pipelines",
            unique=("pipeline", "name", "version"),
            blank=("description",),
        ),
        Kind(
            "contrib/tags",
            "tag",
            {"name": ..., "payload": ""},
            {"name": "name"},
            unique=("name",),
        ),
        Kind(
            "s3_buckets",
            "bucket",
            {"name": ..., "endpoint_url": ...},
            {"name": "name"},
            parent="organization",
            parent_kind="organizations",
        ),
        Kind(
            "s3_api_keys",
            "key",
            {"description": "", "public_key": ..., "private_key": ...},
            {},
            parent="bucket",
            parent_kind="s3_buckets",
        ),
        Kind("work_order_prototypes", "prototype", {}, {"name": "name"}),
        Kind("group_work_order_prototypes", "prototype", {}, {"name": "name"}),
        Kind("work_orders", "work order", {}, {}),
        Kind("job_orders", "job order", {"status": "pending", "analysis_result": None}, {}),
        Kind("group_work_orders", "work order", {}, {}),
    )
}
CHILDREN = {
    "organizations": [("sample_groups", "organization")],
    "sample_groups": [("samples", "library"), ("sample_group_ars", "sample_group")],
    "samples": [("sample_ars", "sample")],
    "sample_ars": [("sample_ar_fields", "analysis_result")],
    "sample_group_ars": [("sample_group_ar_fields", "analysis_result")],
    "pipelines": [("pipeline_modules", "pipeline")],
}


@dataclass
class Pangea:
    """A running service."""

    url: str = ""
    s3: str = ""
    store: Store | None = None
    # Whether a POST without a slash where there is one is a failure, or sent on.
    debug: bool = True
    tables: dict[str, dict[str, Record]] = field(
        default_factory=lambda: {place: {} for place in KINDS}
    )
    users: dict[str, Record] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    tagged: list[tuple[str, str, str]] = field(default_factory=list)
    # Each request: method, path with query, body.
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    # Asked of each request before it is answered; what it gives is the answer.
    fault: Callable[[str, str], Answer | None] | None = None
    lock: Any = field(default_factory=threading.RLock)
    last: str = ""

    def now(self) -> str:
        while True:
            time_ = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            if time_ > self.last:
                self.last = time_
                return time_

    def count(self, method: str = "", part: str = "") -> int:
        return sum(one[0].startswith(method) and part in one[1] for one in self.seen)

    def sign_up(self, email: str, password: str = "Foobar22zz") -> str:
        """Make a user, and give a token."""
        self.users[email] = {"password": password, "id": len(self.users) + 1}
        self.users[email]["uuid"] = str(uuids.uuid4())
        token = hashlib.sha1(email.encode()).hexdigest()
        self.tokens[token] = email
        return token

    # What may be done.

    def organization_of(self, place: str, record: Record) -> Record:
        while place != "organizations":
            kind = KINDS[place]
            assert kind.parent is not None
            assert kind.parent_kind is not None
            place, record = kind.parent_kind, self.tables[kind.parent_kind][record[kind.parent]]
        return record

    def is_member(self, place: str, record: Record, user: str | None) -> bool:
        return user is not None and user in self.organization_of(place, record)["_members"]

    def may_read(self, place: str, record: Record, user: str | None) -> bool:
        if place in ("organizations", "pipelines", "pipeline_modules") or "tags" in place:
            return True
        if place in ("s3_buckets", "s3_api_keys"):
            return self.is_member(place, record, user)
        if place not in CHILDREN and "field" not in place:
            return user is not None
        if self.is_member(place, record, user):
            return True
        if record.get("is_private"):
            return False
        if place == "sample_groups":
            return bool(record["is_public"])
        kind = KINDS[place]
        above = str(kind.parent_kind)
        return self.may_read(above, self.tables[above][record[str(kind.parent)]], user)

    def may_write(self, place: str, record: Record, user: str | None) -> bool:
        if place == "organizations":
            # Any member of any organization: so it is.
            return any(user in one["_members"] for one in self.tables[place].values())
        if place in ("pipelines", "pipeline_modules", "contrib/tags", "job_orders"):
            return True
        return self.is_member(place, record, user)

    # What is told.

    def show(
        self, place: str, record: Record, user: str | None = None, deep: bool = True
    ) -> Record:
        head = {key: record[key] for key in ("created_at", "updated_at")}
        name = {"uuid": record["uuid"], "name": record.get("name")}
        if place == "organizations":
            return {**name, **head, "core_sample_group_uuid": None}
        above = KINDS[place].parent_kind
        parent = KINDS[place].parent
        shown = None
        if parent and above and deep:
            shown = self.show(above, self.tables[above][record[parent]], user)
        rest = {key: record[key] for key in KINDS[place].writable if key != "name"}
        if place == "sample_groups":
            first = {
                key: rest.pop(key) for key in ("description", "is_library", "is_public", "theme")
            }
            own = {**name, **head, "organization": record["organization"], **first}
            return {**own, "organization_obj": shown, **rest}
        if place == "samples":
            own = {**name, **head, "library": record["library"], "metadata": rest["metadata"]}
            own |= {"library_obj": shown} if deep else {}
            return {**own, "description": rest["description"]}
        if place in ("sample_ars", "sample_group_ars"):
            assert parent is not None
            first = {"uuid": record["uuid"], "module_name": rest.pop("module_name")}
            own = {**first, "replicate": rest.pop("replicate"), parent: record[parent], **head}
            own |= {f"{parent}_obj": shown} if deep else {}
            return {**own, **rest, "pipeline_module_obj": None}
        if "ar_fields" in place:
            data = record["stored_data"]
            if deep and isinstance(data, dict) and data.get("__type__") == "s3":
                data = {**data, "presigned_url": self.presigned("GET", data["uri"])}
            own = {**name, **head, "stored_data": data, "analysis_result": record[str(parent)]}
            own |= {"analysis_result_obj": shown} if deep else {}
            return {**own, "description": record["description"]}
        times = {"updated_at": record["updated_at"], "created_at": record["created_at"]}
        if place == "pipelines":
            return {**name, **rest, **times}
        if place == "pipeline_modules":
            metadata, needs = rest.pop("metadata"), rest.pop("dependencies")
            links = {"pipeline": record["pipeline"], "pipeline_obj": shown, "dependencies": needs}
            lists: Record = {"dependency_modules": [], "downstream_modules": []}
            return {**name, **rest, **times, "metadata": metadata, **links, **lists}
        if place == "contrib/tags":
            return {**name, **head, "payload": record["payload"]}
        hidden = ("_", "private_key")
        return {key: value for key, value in record.items() if not key.startswith(hidden)}

    # What is done.

    def authenticate(self, header: str | None, place: str) -> str | None:
        if not header:
            return None
        user = self.tokens.get(header.removeprefix("Token "))
        if user is None:
            by_hand = r"sample_groups/[^/]+/(manifest|metadata|module_counts|downloads/.*)"
            by_hand += r"|samples/[^/]+/manifest"
            raise refuse("Invalid token.", 401 if re.fullmatch(by_hand, place) else 403)
        return user

    def answer(self, method: str, target: str, header: str | None, body: Any) -> Answer:
        parts = urlsplit(target)
        path = unquote(parts.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if not path.startswith("/api/"):
            return html(404)
        place = path[len("/api/") :]
        try:
            with self.lock:
                return self.route(method, place, parts.path, query, header, body)
        except Answer as answer:
            return answer

    def route(
        self, method: str, place: str, raw: str, query: dict[str, str], header: Any, body: Any
    ) -> Answer:
        slashed = ("contrib/tags", "auth/users", "auth/users/set_password")
        is_nested = place.startswith("nested/") and not re.search(r"analysis_results/", place)
        if (place in slashed or is_nested) and not place.endswith("/"):
            if is_nested and re.search(r"\.[a-z0-9]+$", place):
                return html(404)
            if method in ("POST", "PUT", "PATCH") and self.debug:
                return crash("text/html")
            return Answer(
                301,
                None,
                "text/html",
                Location=raw + "/" + ("?" + urlencode(query) if query else ""),
            )
        user = self.authenticate(header, place)
        if place.startswith("nested/"):
            return self.nested(method, place, query, user)
        if place == "auth/users/" and method == "POST":
            return self.register(body)
        if place == "auth/token/login" and method == "POST":
            email = body.get("email")
            if self.users.get(email, {}).get("password") != body.get("password"):
                text = "Unable to log in with provided credentials."
                return Answer(400, {"non_field_errors": [text]})
            token = next((one for one, who in self.tokens.items() if who == email), None)
            if token is None:
                token = uuids.uuid4().hex + "00000000"
                self.tokens[token] = email
            return Answer(200, {"auth_token": token})
        if place == "auth/token/logout":
            self.tokens = {one: who for one, who in self.tokens.items() if who != user}
            return Answer(204, None, None)
        if place == "auth/users/set_password/":
            assert user is not None
            if self.users[user]["password"] != body.get("current_password"):
                return Answer(400, {"current_password": ["Invalid password."]})
            self.users[user]["password"] = body["new_password"]
            return Answer(204, None, None)
        if place == "users/me":
            return self.me(user)
        if place == "bulk_samples":
            return self.bulk(body, user)
        found = re.fullmatch(r"pipelines/name/(.+)", place) or re.fullmatch(
            r"contrib/tags/name/(.+)", place
        )
        if found:
            table = "pipelines" if place.startswith("p") else "contrib/tags"
            for record in self.tables[table].values():
                if record["name"] == found[1]:
                    return Answer(200, self.show(table, record))
            raise refuse("Not found.", 404)
        found = re.fullmatch(r"pipelines/([^/]+)/modules/([^/]+)/([^/]+)", place)
        if found:
            for record in self.tables["pipeline_modules"].values():
                if (record["pipeline"], record["name"], record["version"]) == found.groups():
                    return Answer(200, self.show("pipeline_modules", record))
            return crash()
        for table in KINDS:
            if place == table or (table == "contrib/tags" and place == "contrib/tags/"):
                return self.collection(method, table, query, user, body)
            found = re.fullmatch(re.escape(table) + r"/([^/]+)(?:/(.*))?", place)
            if found:
                return self.one(method, table, found[1], found[2], query, user, body)
        return html(404)

    def register(self, body: Record) -> Answer:
        email, password = body["email"], str(body["password"])
        if email in self.users:
            return Answer(400, {"email": ["user with this email address already exists."]})
        if len(password) < 8:
            texts = ["This password is too short. It must contain at least 8 characters."]
            texts += ["This password is too common.", "This password is entirely numeric."]
            return Answer(400, {"password": texts if password.isdigit() else texts[:1]})
        self.sign_up(email, password)
        return Answer(201, {"email": email, "id": self.users[email]["id"]})

    def me(self, user: str | None) -> Answer:
        if user is None:
            return crash()
        orgs = self.tables["organizations"].values()
        mine = [self.show("organizations", one) for one in orgs if user in one["_members"]]
        record = self.users[user]
        own = {"id": record["id"], "uuid": record["uuid"], "email": user, "is_staff": False}
        own |= {"is_active": True, "personal_org_uuid": None, "organization_objs": mine}
        own |= {"saved_sample_group_objs": []}
        names = "avatar name biography url twitter_username github_username company location"
        return Answer(200, own | dict.fromkeys(names.split()))

    def nested(self, method: str, place: str, query: dict[str, str], user: str | None) -> Answer:
        if method not in ("GET", "HEAD"):
            return html(403)
        parts = place.removeprefix("nested/").removesuffix("/").split("/")
        names, words = parts[::2], parts[1::2]
        shapes = ["sample_groups", "samples", "analysis_results", "fields"]
        if "" in parts or words not in (
            shapes[: len(words)],
            ["sample_groups", *shapes[2:]][: len(words)],
        ):
            return html(404)
        found = self.named("organizations", self.tables["organizations"].values(), names[0])
        if (
            len(
                [
                    one
                    for one in self.tables["organizations"].values()
                    if one["name"].lower() == names[0].lower()
                ]
            )
            > 1
        ):
            return crash("text/html")
        table = "organizations"
        for word, name in zip(words, names[1:], strict=True):
            above = found
            if word == "samples":
                candidates = [self.tables["samples"][one] for one in above["_samples"]]
                table = "samples"
            else:
                if word == "analysis_results":
                    table = "sample_ars" if table == "samples" else "sample_group_ars"
                else:
                    table = {"sample_groups": "sample_groups", "fields": f"{table[:-1]}_fields"}[
                        word
                    ]
                candidates = [
                    one
                    for one in self.tables[table].values()
                    if one[str(KINDS[table].parent)] == above["uuid"]
                ]
            if word == "analysis_results" and query.get("replicate"):
                candidates = [one for one in candidates if one["replicate"] == query["replicate"]]
            found = self.named(table, candidates, name)
        self.check_read(table, found, user, query)
        return Answer(200, self.show(table, found, user))

    def named(self, table: str, candidates: Any, name: str) -> Record:
        try:
            key, name = "uuid", str(uuids.UUID(name))
        except ValueError:
            key = "module_name" if table.endswith("_ars") else "name"
        found = [one for one in candidates if one[key].lower() == name.lower()]
        if not found:
            raise html(404)
        newest: Record = max(found, key=lambda one: one["updated_at"])
        return newest

    def check_read(
        self, table: str, record: Record, user: str | None, query: dict[str, str] | None = None
    ) -> None:
        order = self.tables["work_orders"].get((query or {}).get("work_order_uuid", ""))
        if order is not None and user in order["_privileged"]:
            return
        if not self.may_read(table, record, user):
            raise refuse(FORBIDDEN if user else ANONYMOUS)

    def page(self, raw: str, records: list[Record], query: dict[str, str]) -> Answer:
        number = query.get("page", "1")
        last = max(1, -(-len(records) // PAGE))
        wanted = last if number == "last" else int(number) if number.isdecimal() else 0
        if not 1 <= wanted <= last:
            raise refuse("Invalid page.", 404)

        def link(to: int) -> str:
            rest = {key: value for key, value in query.items() if key != "page"}
            rest |= {"page": str(to)} if to > 1 else {}
            return f"{self.url}/api/{raw}" + (f"?{urlencode(rest)}" if rest else "")

        body = {"count": len(records)}
        body |= {"next": link(wanted + 1) if wanted < last else None}  # type: ignore[dict-item]
        body |= {"previous": link(wanted - 1) if wanted > 1 else None}  # type: ignore[dict-item]
        body |= {"results": records[(wanted - 1) * PAGE : wanted * PAGE]}  # type: ignore[dict-item]
        return Answer(200, body)

    def collection(
        self, method: str, table: str, query: dict[str, str], user: str | None, body: Any
    ) -> Answer:
        if method == "POST":
            if user is None:
                raise refuse(ANONYMOUS)
            return Answer(201, self.show(table, self.make(table, body, user), user))
        records = list(self.tables[table].values())
        order = self.tables["work_orders"].get(query.get("work_order_uuid", ""))
        if order is None or user not in order["_privileged"]:
            records = [one for one in records if self.may_read(table, one, user)]
        kind = KINDS[table]
        for key, own in {"uuid": "uuid", **kind.filters}.items():
            value = query.get(key, "").strip()
            if not value:
                continue
            if "\0" in value:
                return Answer(400, {key: ["Null characters are not allowed."]})
            if own == kind.parent:
                try:
                    uuids.UUID(value)
                except ValueError:
                    return Answer(400, {key: [f"“{value}” is not a valid UUID."]})
                if value not in self.tables[str(kind.parent_kind)]:
                    text = "Select a valid choice. That choice is not one of the available choices."
                    return Answer(400, {key: [text]})
            records = [one for one in records if str(one[own]) == value]
        if table == "contrib/tags" and query.get("sample"):
            tags = {
                tag
                for tag, what, uuid in self.tagged
                if (what, uuid) == ("samples", query["sample"])
            }
            records = [one for one in records if one["uuid"] in tags]
        raw = "contrib/tags/" if table == "contrib/tags" else table
        return self.page(raw, [self.show(table, one, user) for one in records], query)

    def make(self, table: str, body: Record, user: str) -> Record:
        kind = KINDS[table]
        record: Record = {"uuid": str(uuids.uuid4())}
        parents = self.tables.get(str(kind.parent_kind), {})
        if kind.parent:
            above = parents.get(str(body.get(kind.parent)))
            if body.get(kind.parent) is None:
                raise Answer(400, {kind.parent: [REQUIRED]})
            if above is None or (table == "samples" and not above["is_library"]):
                text = f'Invalid pk "{body[kind.parent]}" - object does not exist.'
                raise Answer(400, {kind.parent: [text]})
            if kind.parent_kind != "pipelines" and not self.is_member(
                str(kind.parent_kind), above, user
            ):
                what = {"result": "sample analysis result"}
                what["field"] = "sample analysis result field"
                title = what.get(kind.title, kind.title)
                raise refuse(f"Organization membership is required to create a {title}.")
            record[kind.parent] = above["uuid"]
        self.change(
            table, record, body, {key for key, value in kind.writable.items() if value is ...}
        )
        for key, value in kind.writable.items():
            if key not in record:
                record[key] = json.loads(json.dumps(value)) if value is not ... else None
        if table.endswith("_ars") and not record["replicate"]:
            record["replicate"] = "".join(
                random.choices(string.ascii_letters + string.digits, k=12)
            )
        self.check_unique(table, record)
        record["created_at"] = record["updated_at"] = self.now()
        if table == "organizations":
            record["_members"] = {user}
        if table == "sample_groups":
            record["_samples"] = []
        self.tables[table][record["uuid"]] = record
        if table == "samples":
            parents[record["library"]]["_samples"].append(record["uuid"])
        return record

    def change(self, table: str, record: Record, body: Record, needed: set[str]) -> None:
        kind = KINDS[table]
        for key in needed:
            if key not in body:
                raise Answer(400, {key: [REQUIRED]})
        for key in kind.writable:
            if key not in body:
                continue
            value = body[key].strip() if isinstance(body[key], str) else body[key]
            if value is None and table == "samples" and key == "metadata":
                continue
            if value is None and key not in kind.nullable:
                raise Answer(400, {key: [NULL]})
            if value == "" and (key in kind.blank or kind.writable[key] is ...):
                raise Answer(400, {key: [BLANK]})
            record[key] = value

    def check_unique(self, table: str, record: Record) -> None:
        kind = KINDS[table]
        if not kind.unique:
            return
        for other in self.tables[table].values():
            if other is record or any(other[key] != record[key] for key in kind.unique):
                continue
            if kind.unique == ("name",):
                raise Answer(400, {"name": [f"{kind.title} with this name already exists."]})
            text = f"The fields {', '.join(kind.unique)} must make a unique set."
            raise Answer(400, {"non_field_errors": [text]})

    def one(
        self,
        method: str,
        table: str,
        uuid: str,
        rest: str | None,
        query: dict[str, str],
        user: str | None,
        body: Any,
    ) -> Answer:
        record = self.tables[table].get(uuid)
        if record is None:
            if rest and rest not in ("manifest",):
                return crash()
            return crash() if rest else refuse("Not found.", 404)
        if rest:
            return self.part(method, table, record, rest, query, user, body)
        is_reading = method in ("GET", "HEAD")
        if is_reading:
            self.check_read(table, record, user, query)
            return Answer(200, self.show(table, record, user))
        if user is None:
            raise refuse(ANONYMOUS)
        order = self.tables["work_orders"].get(query.get("work_order_uuid", ""))
        if not self.may_write(table, record, user) and not (order and user in order["_privileged"]):
            raise refuse(FORBIDDEN)
        if method == "DELETE":
            self.remove(table, record)
            return Answer(204, None, None)
        kind = KINDS[table]
        needed = {key for key, value in kind.writable.items() if value is ...}
        changed = json.loads(json.dumps({k: v for k, v in record.items() if k[0] != "_"}))
        self.change(table, changed, body, needed if method == "PUT" else set())
        if method == "PUT" and kind.parent and body.get(kind.parent) is None:
            raise Answer(400, {kind.parent: [REQUIRED]})
        moved = body.get(kind.parent) if kind.parent else None
        if moved and moved != record[str(kind.parent)]:
            above = self.tables[str(kind.parent_kind)].get(moved)
            if above is None or (table == "samples" and not above["is_library"]):
                raise Answer(400, {kind.parent: [f'Invalid pk "{moved}" - object does not exist.']})
            if table == "samples":
                self.tables["sample_groups"][record["library"]]["_samples"].remove(uuid)
                above["_samples"].append(uuid)
            changed[kind.parent] = moved
        self.check_unique(
            table, {**changed} if changed["uuid"] != uuid else self.same(table, changed)
        )
        record.update(changed)
        record["updated_at"] = self.now()
        return Answer(200, self.show(table, record, user))

    def same(self, table: str, changed: Record) -> Record:
        """The changed record, which does not clash with what it was."""
        kind = KINDS[table]
        others = {uuid: one for uuid, one in self.tables[table].items() if uuid != changed["uuid"]}
        if kind.unique and any(
            all(one[key] == changed[key] for key in kind.unique) for one in others.values()
        ):
            return changed
        return self.tables[table][changed["uuid"]]

    def remove(self, table: str, record: Record) -> None:
        for below, key in CHILDREN.get(table, ()):
            for other in [one for one in self.tables[below].values() if one[key] == record["uuid"]]:
                self.remove(below, other)
        if table == "samples":
            for group in self.tables["sample_groups"].values():
                if record["uuid"] in group["_samples"]:
                    group["_samples"].remove(record["uuid"])
        del self.tables[table][record["uuid"]]

    def bulk(self, body: Record, user: str | None) -> Answer:
        if user is None:
            raise refuse(ANONYMOUS)
        library = self.tables["sample_groups"][body["library"]]
        if not self.is_member("sample_groups", library, user):
            raise refuse("Insufficient permissions to get group manifest.")
        if not library["is_library"]:
            return crash()
        made = []
        for name in body["names"]:
            mine = [self.tables["samples"][one]["name"] for one in library["_samples"]]
            if name in mine:
                return crash()
            made.append(self.make("samples", {"name": name, "library": library["uuid"]}, user))
        return Answer(201, {"uuids": [one["uuid"] for one in made]})

    def part(
        self,
        method: str,
        table: str,
        record: Record,
        rest: str,
        query: dict[str, str],
        user: str | None,
        body: Any,
    ) -> Answer:
        raw = f"{table}/{record['uuid']}/{rest}"
        if table == "sample_groups" and rest == "samples":
            return self.members(method, record, raw, query, user, body)
        if table == "samples" and rest == "manifest":
            if not self.may_read(table, record, user):
                raise refuse("Insufficient permissions to get group manifest.")
            return Answer(200, self.manifest(record, user))
        if table == "sample_groups" and rest in ("manifest", "module_counts", "metadata"):
            if not (record["is_public"] or self.is_member(table, record, user)):
                raise refuse("Insufficient permissions to access group.")
            return Answer(200, self.overview(record, rest, user))
        if "ar_fields" in table and rest in ("upload_s3", "complete_upload_s3"):
            return self.upload(table, record, rest, user, body)
        if table == "contrib/tags":
            return self.tags(method, record, rest, raw, query, user, body)
        if rest.startswith("work_orders"):
            return self.orders(method, table, record, rest, raw, query, user)
        return html(404)

    def members(
        self, method: str, group: Record, raw: str, query: Any, user: str | None, body: Any
    ) -> Answer:
        samples = self.tables["samples"]
        if method in ("GET", "HEAD"):
            mine = [samples[one] for one in group["_samples"]]
            if not self.may_read("sample_groups", group, user) or not all(
                self.may_read("samples", one, user) for one in mine
            ):
                mine = []
            mine.sort(key=lambda one: one["created_at"])
            return self.page(raw, [self.show("samples", one, user) for one in mine], query)
        if user is None:
            raise refuse(ANONYMOUS)
        if not self.is_member("sample_groups", group, user):
            return (
                refuse("Insufficient permissions to add sample to sample group.")
                if method == "POST"
                else crash()
            )
        for uuid in (body or {}).get("sample_uuids", []):
            if uuid not in samples:
                return crash()
            if method == "POST" and uuid not in group["_samples"]:
                group["_samples"].append(uuid)
            if method == "DELETE" and uuid in group["_samples"]:
                group["_samples"].remove(uuid)
        return Answer(200, {"status": "success"})

    def results_of(self, table: str, key: str, record: Record, user: str | None) -> list[Record]:
        found = []
        for result in self.tables[table].values():
            if result[key] == record["uuid"]:
                fields = self.tables[f"{table[:-1]}_fields"].values()
                mine = [one for one in fields if one["analysis_result"] == result["uuid"]]
                shown = self.show(table, result, user, deep=False)
                names = [self.show(f"{table[:-1]}_fields", one, user, deep=False) for one in mine]
                found.append({**shown, "fields": names})
        return found

    def manifest(self, sample: Record, user: str | None, deep: bool = True) -> Record:
        shown = self.show("samples", sample, user, deep=deep)
        return {**shown, "analysis_results": self.results_of("sample_ars", "sample", sample, user)}

    def overview(self, group: Record, what: str, user: str | None) -> Record:
        samples = [self.tables["samples"][one] for one in group["_samples"]]
        if what == "metadata":
            return {one["name"]: one["metadata"] for one in samples}
        if what == "module_counts":
            counts: Record = {"n_samples": len(samples)}
            for sample in samples:
                results = self.results_of("sample_ars", "sample", sample, user)
                for name in {one["module_name"] for one in results}:
                    counts[name] = counts.get(name, 0) + 1
            return counts
        own = self.show("sample_groups", group, user)
        own["samples"] = [self.manifest(one, user, deep=False) for one in samples]
        own["analysis_results"] = self.results_of("sample_group_ars", "sample_group", group, user)
        return own

    def tags(
        self, method: str, tag: Record, rest: str, raw: str, query: Any, user: Any, body: Any
    ) -> Answer:
        table = {"tags": "contrib/tags", "random_samples": "samples"}.get(rest, rest)
        mine = [uuid for one, what, uuid in self.tagged if one == tag["uuid"] and what == table]
        records = [self.tables[table][one] for one in mine if one in self.tables[table]]
        if rest == "tags":
            records = list(self.tables[table].values())
        shown = [self.show(table, one, user) for one in records]
        if rest == "random_samples":
            return Answer(200, {"results": shown[: int(query.get("n", 100))]})
        if method == "GET":
            return self.page(raw, shown, query)
        if user is None:
            raise refuse(ANONYMOUS)
        key = {"tags": "tag_uuid", "samples": "sample_uuid"}.get(rest, "sample_group_uuid")
        self.tagged.append((tag["uuid"], table, body[key]))
        return Answer(200, {"status": "success"})

    # Work orders, which an administrator prepares.

    def prototype(self, name: str, jobs: list[str], privileged: list[str]) -> str:
        now = self.now()
        own = {"uuid": str(uuids.uuid4()), "name": name, "created_at": now, "updated_at": now}
        record: Record = {**own, "description": "", "_jobs": jobs, "_privileged": set(privileged)}
        self.tables["work_order_prototypes"][own["uuid"]] = record
        group: Record = {**own, "uuid": str(uuids.uuid4()), "name": f"{name} group"}
        group["description"] = ""
        group |= {"work_order_protos": [own["uuid"]], "_privileged": set(privileged)}
        self.tables["group_work_order_prototypes"][group["uuid"]] = group
        return own["uuid"]

    def order_for(self, proto: Record, sample: Record) -> Record:
        now = self.now()
        own: Record = {"uuid": str(uuids.uuid4()), "name": proto["name"], "priority": 100}
        own |= {"sample": sample["uuid"], "created_at": now, "updated_at": now, "description": ""}
        jobs = []
        for name in proto["_jobs"]:
            job: Record = {"uuid": str(uuids.uuid4()), "name": name, "status": "pending"}
            job |= {"work_order": own["uuid"], "pipeline_module": None, "analysis_result": None}
            job |= {"resources_used": {}, "resources_needed": {}, "created_at": now}
            job |= {"updated_at": now, "description": ""}
            self.tables["job_orders"][job["uuid"]] = job
            jobs.append(job)
        own |= {"job_order_objs": jobs, "status": "pending", "progress_summary": {}}
        own["_privileged"] = proto["_privileged"]
        own["_proto"] = proto["uuid"]
        self.tables["work_orders"][own["uuid"]] = own
        return own

    def orders(
        self, method: str, table: str, record: Record, rest: str, raw: str, query: Any, user: Any
    ) -> Answer:
        if user is None:
            raise refuse(ANONYMOUS)
        proto_uuid = rest.removeprefix("work_orders").removeprefix("/")
        is_group = "group" in table
        orders = self.tables["group_work_orders" if is_group else "work_orders"]
        if method == "POST":
            kind = "group_work_order_prototypes" if is_group else "work_order_prototypes"
            proto = self.tables[kind][proto_uuid]
            if not is_group:
                return Answer(200, {"uuid": self.order_for(proto, record)["uuid"]})
            below = self.tables["work_order_prototypes"][proto["work_order_protos"][0]]
            samples = [self.tables["samples"][one] for one in record["_samples"]]
            made = [self.order_for(below, one) for one in samples]
            links = [
                {"name": one["name"], "uuid": one["uuid"], "sample_name": sample["name"]}
                | {"sample_uuid": sample["uuid"], "status": "pending"}
                for one, sample in zip(made, samples, strict=True)
            ]
            now = self.now()
            own: Record = {"uuid": str(uuids.uuid4()), "name": proto["name"], "priority": 100}
            own |= {"sample_group": record["uuid"], "created_at": now, "updated_at": now}
            own |= {"description": "", "work_order_links": links, "status": "pending"}
            own |= {"work_orders": [one["uuid"] for one in made], "progress_summary": {}}
            orders[own["uuid"]] = {**own, "_proto": proto["uuid"]}
            return Answer(200, {"uuid": own["uuid"]})
        if table in ("samples", "sample_groups"):
            key = "sample_group" if is_group else "sample"
            mine = [one for one in orders.values() if one[key] == record["uuid"]]
        else:
            mine = [one for one in orders.values() if one["_proto"] == record["uuid"]]
            if user not in record["_privileged"]:
                mine = []
            mine = mine[: int(query.get("max_num", 0)) or None]
        return self.page(raw, [self.show("work_orders", one) for one in mine], query)

    # Files.

    def presigned(self, method: str, uri: str, **query: str) -> str:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        assert self.store is not None
        return self.store.presigned(method, bucket, key, query)

    def upload(self, table: str, record: Record, rest: str, user: Any, body: Any) -> Answer:
        if user is None:
            raise refuse(ANONYMOUS)
        result = self.tables[str(KINDS[table].parent_kind)][record["analysis_result"]]
        if table == "sample_ar_fields":
            sample = self.tables["samples"][result["sample"]]
            group = self.tables["sample_groups"][sample["library"]]
            folder = f"{group['name']}/samples/{sample['name']}"
        else:
            group = self.tables["sample_groups"][result["sample_group"]]
            folder = f"{group['name']}/results"
        if not group["is_public"] and not self.is_member("sample_groups", group, user):
            raise refuse("Insufficient permissions to get upload url.")
        data = record["stored_data"]
        is_link = isinstance(data, dict) and data.get("__type__") == "s3"
        if (
            group["bucket"] is None
            or (data and not is_link)
            or (rest == "upload_s3" and not is_link and "filename" not in body)
        ):
            return crash()
        bucket = self.tables["s3_buckets"][group["bucket"]]
        assert self.store is not None
        if rest == "complete_upload_s3":
            place = data["uri"].removeprefix("s3://").partition("/")
            is_done = self.store.complete(place[0], place[2], body["upload_id"], body["parts"])
            if not is_done:
                return Answer(200, None, None)
            return Answer(200, {"status": "success", "upload_id": body["upload_id"]})
        if not is_link:
            uri = f"s3://{bucket['name']}/pangea/v1/{folder}/{body['filename']}"
            data = {"uri": uri, "__type__": "s3", "endpoint_url": bucket["endpoint_url"]}
            record["stored_data"] = data
            record["updated_at"] = self.now()
        stance = body.get("stance", "upload")
        key = data["uri"].removeprefix("s3://").partition("/")[2]
        if stance == "upload":
            return Answer(200, self.store.form(bucket["name"], key))
        if stance == "upload-multipart":
            upload_id = self.store.begin(bucket["name"], key)
            if upload_id is None:
                return Answer(200, None, None)
            numbers = range(1, int(body.get("n_parts", 1)) + 1)
            urls = [
                self.presigned("PUT", data["uri"], uploadId=upload_id, partNumber=str(number))
                for number in numbers
            ]
            return Answer(200, {"urls": urls, "upload_id": upload_id})
        return crash()


@dataclass
class Store:
    """A store of S3 in memory, as far as such uploads need it."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    # Tags that are no digest, of what came in parts.
    tags: dict[str, str] = field(default_factory=dict)
    # By id: where to, and the parts with their digests.
    uploads: dict[str, tuple[str, dict[int, tuple[bytes, bytes]]]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    # Asked of each request, with its body: gives an answer, or a function that does something to
    # the connection instead.
    fault: Callable[[str, str, bytes], Any] | None = None
    refuses: bool = False
    serial: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def presigned(self, method: str, bucket: str, key: str, query: dict[str, str]) -> str:
        with self.lock:
            self.serial += 1
            signed = {"AWSAccessKeyId": "x", "Signature": f"sig{self.serial}"}
        expires = {"Expires": str(int(time.time()) + 86400)}
        return f"{self.url}/{bucket}/{quote(key)}?{urlencode({**query, **signed, **expires})}"

    def form(self, bucket: str, key: str) -> Record:
        fields = {"key": key, "AWSAccessKeyId": "x", "policy": "cG9saWN5", "signature": "c2ln"}
        return {"url": f"{self.url}/{bucket}", "fields": fields}

    def begin(self, bucket: str, key: str) -> str | None:
        if self.refuses:
            return None
        upload_id = uuids.uuid4().hex
        self.uploads[upload_id] = (f"{bucket}/{key}", {})
        return upload_id

    def complete(self, bucket: str, key: str, upload_id: str, parts: list[Record]) -> bool:
        place, have = self.uploads.get(upload_id, ("", {}))
        if place != f"{bucket}/{key}":
            return False
        content, digests = [], b""
        for part in parts:
            body, digest = have.get(part["PartNumber"], (b"", b""))
            if not digest or part["ETag"].strip('"') != digest.hex():
                return False
            content.append(body)
            digests += digest
        self.objects[place] = b"".join(content)
        self.tags[place] = f"{hashlib.md5(digests).hexdigest()}-{len(parts)}"
        del self.uploads[upload_id]
        return True

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        parts = urlsplit(target)
        place = unquote(parts.path).lstrip("/")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if method == "PUT" and "uploadId" in query:
            known = self.uploads.get(query["uploadId"])
            if known is None:
                return s3_error(404, "NoSuchUpload")
            digest = hashlib.md5(body).digest()
            known[1][int(query["partNumber"])] = (body, digest)
            return Answer(200, b"", "text/html", ETag=f'"{digest.hex()}"')
        if method == "POST":
            edge = headers["Content-Type"].partition("boundary=")[2].encode()
            fields = {}
            for part in body.split(b"--" + edge)[1:-1]:
                head, _, content = part.partition(b"\r\n\r\n")
                name = re.search(rb'name="([^"]*)"', head)
                assert name is not None
                fields[name[1].decode()] = content[:-2]
            place = f"{place}/{fields['key'].decode()}"
            self.objects[place] = fields["file"]
            self.tags.pop(place, None)
            return Answer(204, None, "text/html")
        if place not in self.objects:
            return s3_error(404, "NoSuchKey")
        content = self.objects[place]
        tag = self.tags.get(place) or hashlib.md5(content).hexdigest()
        more = {"ETag": f'"{tag}"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range") or "")
        if asked:
            start, end = int(asked[1]), int(asked[2] or len(content) - 1)
            if start >= len(content):
                return s3_error(416, "InvalidRange")
            end = min(end, len(content) - 1)
            more["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            return Answer(206, content[start : end + 1], "binary/octet-stream", **more)
        return Answer(200, content, "binary/octet-stream", **more)


def s3_error(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>"
    return Answer(status, body, "application/xml")


def _handler(answer: Callable[[BaseHTTPRequestHandler, str, bytes], Any]) -> type:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made = answer(self, self.command, body)
            if made is None:
                self.close_connection = True
                return
            content = made.body
            if made.kind == "application/json":
                content = json.dumps(content).encode()
            elif isinstance(content, str):
                content = content.encode()
            self.send_response(made.status)
            if made.kind:
                self.send_header("Content-Type", made.kind)
            for name, value in made.headers.items():
                self.send_header(name.replace("_", "-"), value)
            if made.status != 204:
                self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if content and self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = reply

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def _serving(answer: Callable[[BaseHTTPRequestHandler, str, bytes], Any]) -> Iterator[str]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients go away."""

    server = Server(("127.0.0.1", 0), _handler(answer))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def running(store: Store | None = None) -> Iterator[Pangea]:
    """Run a service, and a store unless another one is given."""
    service = Pangea(store=store or Store())
    kept = service.store
    assert kept is not None

    def ask_service(handler: BaseHTTPRequestHandler, method: str, raw: bytes) -> Any:
        body = json.loads(raw) if raw else None
        service.seen.append((method, handler.path, body))
        fault = service.fault(method, handler.path) if service.fault else None
        if fault is not None:
            return fault
        return service.answer(method, handler.path, handler.headers.get("Authorization"), body)

    def ask_store(handler: BaseHTTPRequestHandler, method: str, raw: bytes) -> Any:
        headers = {name.title(): value for name, value in handler.headers.items()}
        kept.seen.append((method, handler.path, headers))
        fault = kept.fault(method, handler.path, raw) if kept.fault else None
        if callable(fault):
            return fault(handler, kept.answer(method, handler.path, handler.headers, raw))
        if fault is not None:
            return fault
        return kept.answer(method, handler.path, handler.headers, raw)

    with _serving(ask_service) as service.url:
        if kept.url:
            service.s3 = kept.url
            yield service
            return
        with _serving(ask_store) as kept.url:
            service.s3 = kept.url
            yield service


def cut_after(count: int) -> Callable[[BaseHTTPRequestHandler, Answer], None]:
    """Give only so many bytes of an answer, and break the connection."""

    def act(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body[:count])
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)

    return act
