"""What is sent, and what becomes of faults: against a scripted service."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import logging
import os
import pickle
import re
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import numpy as np
import pytest
import requests
import responses
from pytupli import _artifacts, _files, _keys
from pytupli.schema import (
    ArtifactMetadata,
    BenchmarkMetadata,
    BenchmarkQuery,
    Episode,
    FilterEQ,
    Group,
    RLTuple,
)
from pytupli.storage import (
    TupliAPIClient,
    TupliConnectionError,
    TupliStorageError,
    TupliTimeoutError,
)
from support import fake
from support.fake import Fake, Reply, as_json
from support.tupli import Keyring, token

ITEM = {
    "id": "i",
    "created_by": "admin",
    "published_in": ["admin"],
    "created_at": "2026-01-01T00:00:00",
    "name": "a",
    "hash": hashlib.sha256(b"contentadmin").hexdigest(),
}
HEADER = {**ITEM, "metadata": {"name": "a"}}
REFRESH = "POST /access/users/refresh-token"


@contextlib.contextmanager
def serving(keys: Keyring, script: Any, **more: Any) -> Iterator[tuple[Fake, TupliAPIClient]]:
    """A scripted service and a client that is logged in there.

    The script is a function of method and path, a list of replies in their order, or one reply.
    """

    def answer(method: str, path: str) -> Reply:
        if callable(script):
            reply: Reply = script(method, path)
            return reply
        if isinstance(script, list):
            found: Reply = script.pop(0) if len(script) > 1 else script[0]
            return found
        return script  # type: ignore[no-any-return]

    with fake.serving(answer, **more) as server:
        keys.entries = {
            "pytupli/base_url": server.url,
            "pytupli/access_token": token(),
            "pytupli/refresh_token": token(seconds=99999),
        }
        yield server, TupliAPIClient()


def refreshing(answer: Any, status: int = 200, after: Any = None) -> Callable[[str, str], Reply]:
    """A script whose first answer is 401, then one to the renewal, then an empty list."""
    state = {"renewed": False}

    def script(method: str, path: str) -> Reply:
        if path.endswith("/refresh-token"):
            state["renewed"] = True
            return answer if isinstance(answer, Reply) else as_json(answer, status)
        if state["renewed"]:
            return after or as_json([])
        return as_json({"detail": "Could not validate credentials"}, 401)

    return script


# -- logins


@pytest.mark.parametrize(
    "shape", [{"token": "new"}, {"access_token": "new"}, {"access_token": {"token": "new"}}]
)
def test_new_tokens_come_in_three_shapes(shape: Any, keys: Keyring) -> None:
    heads: list[dict[str, str]] = []
    with serving(keys, refreshing(shape), heads=heads) as (server, client):
        refresh = keys.entries["pytupli/refresh_token"]
        assert client.list_users() == []
        assert server.asked == ["GET /access/users/list", REFRESH, "GET /access/users/list"]
    assert keys.entries["pytupli/access_token"] == "new"
    assert keys.entries["pytupli/refresh_token"] == refresh
    assert [head["authorization"] for head in heads[1:]] == [f"Bearer {refresh}", "Bearer new"]
    assert heads[1].get("content-length") == "0"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("is_there", [True, False])
def test_refused_tokens_are_removed(status: int, is_there: bool, keys: Keyring) -> None:
    with serving(keys, refreshing({"detail": "gone"}, status)) as (_, client):
        if not is_there:
            del keys.entries["pytupli/access_token"]
        with pytest.raises(TupliStorageError, match=r"\(gone\)\. Please login again\.$") as raised:
            client.list_users()
        assert str(raised.value).startswith(f"Token refresh failed: {status} Client Error: ")
    assert (raised.value.status_code, raised.value.detail) == (status, "gone")
    assert set(keys.entries) == {"pytupli/base_url"}


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b"", 503),
        Reply(b"", 500),
        Reply(b"<html>", 200, "text/html"),
        as_json({}),
        as_json({"token": 3}),
        as_json([]),
        Reply(b"{", length=100),
    ],
)
def test_tokens_outlive_other_failures(answer: Reply, keys: Keyring) -> None:
    with serving(keys, refreshing(answer)) as (_, client):
        client.retries = 0
        before = dict(keys.entries)
        with pytest.raises(TupliStorageError, match=r"^Token refresh failed: "):
            client.list_users()
    assert keys.entries == before


def test_a_second_refusal_is_told_as_the_first(keys: Keyring) -> None:
    refused = as_json({"detail": "still not"}, 401)
    with serving(keys, refreshing({"token": "new"}, after=refused)) as (server, client):
        with pytest.raises(TupliStorageError, match=r"^API request failed: 401 .*\(still not\)$"):
            client.list_users()
        assert len(server.asked) == 3


def test_tokens_that_are_over_are_not_sent(keys: Keyring) -> None:
    with serving(keys, lambda _, path: as_json({"token": token()} if "token" in path else [])) as (
        server,
        client,
    ):
        for seconds in (-5, 5):
            server.asked.clear()
            keys.entries["pytupli/access_token"] = token(seconds=seconds)
            client.list_users()
            assert server.asked == [REFRESH, "GET /access/users/list"]
        server.asked.clear()
        client.list_users()
        assert server.asked == ["GET /access/users/list"]


@pytest.mark.parametrize(
    ("left", "size", "is_renewed"),
    [(25, 1 << 20, False), (25, 30_000_000, True), (300, 65 << 20, True), (1500, 65 << 20, False)],
)
def test_uploads_get_a_token_that_lasts(
    left: int, size: int, is_renewed: bool, keys: Keyring
) -> None:
    content = bytes(size)
    found = {**ITEM, "hash": hashlib.sha256(content + b"admin").hexdigest()}
    bodies: list[bytes] = []

    def script(_: str, path: str) -> Reply:
        bodies.clear()
        return as_json({"token": token()} if "token" in path else found)

    with serving(keys, script, bodies=bodies) as (server, client):
        keys.entries["pytupli/access_token"] = token(seconds=left)
        client.store_artifact(content, {"name": "a"})
        assert server.asked == [*([REFRESH] if is_renewed else []), "POST /artifacts/upload"]


def test_a_token_that_may_do_is_sent_where_there_is_no_new_one(keys: Keyring) -> None:
    with serving(keys, lambda _, path: Reply(b"", 500) if "token" in path else as_json([])) as (
        _,
        client,
    ):
        keys.entries["pytupli/access_token"] = token(seconds=5)
        assert client.list_users() == []


def test_a_login_made_meanwhile_stays(keys: Keyring) -> None:
    """Somebody logs in while an old token is refused."""

    def script(_: str, path: str) -> Reply:
        if "refresh" in path:
            keys.entries["pytupli/refresh_token"] = "of a new login"
        return as_json({"detail": "no"}, 401)

    with serving(keys, script) as (_, client), pytest.raises(TupliStorageError):
        client.list_users()
    assert keys.entries["pytupli/refresh_token"] == "of a new login"
    assert "pytupli/access_token" in keys.entries


def test_login_keeps_what_the_original_reads(keys: Keyring) -> None:
    tokens = {
        name: {"token": f"the {name}", "token_type": "bearer"}
        for name in ("access_token", "refresh_token")
    }
    bodies: list[bytes] = []
    heads: list[dict[str, str]] = []
    with serving(keys, as_json(tokens), bodies=bodies, heads=heads) as (server, client):
        client.login("me", "word", f"{server.url}/")
    assert json.loads(bodies[0]) == {"username": "me", "password": "word"}
    assert heads[0]["content-type"] == "application/json"
    assert "authorization" not in heads[0]
    assert keys.entries.pop("pytupli/token_origin").startswith(f"{server.url}#")
    assert keys.entries == {
        "pytupli/base_url": server.url,
        "pytupli/access_token": "the access_token",
        "pytupli/refresh_token": "the refresh_token",
    }


@pytest.mark.parametrize("answer", [as_json({}), as_json([]), Reply(b"<html>"), as_json(None)])
def test_a_login_that_cannot_be_read(answer: Reply, keys: Keyring) -> None:
    with serving(keys, answer) as (_, client):
        before = dict(keys.entries)
        with pytest.raises(TupliStorageError, match=r"^Login failed: the answer "):
            client.login("me", "word")
    assert keys.entries == before


def test_signing_up_asks_once_where_the_answer_is_clear(keys: Keyring) -> None:
    taken = as_json({"detail": "User already exists"}, 409)
    with serving(keys, taken) as (server, client):
        with pytest.raises(TupliStorageError, match=r"^Signup failed: 409 .*already exists\)$"):
            client.signup("me", "word")
        assert server.asked == ["POST /access/users/create"]


def test_signing_up_does_not_need_the_login_that_is_dead(keys: Keyring) -> None:
    heads: list[dict[str, str]] = []

    def script(_: str, path: str) -> Reply:
        if "refresh" in path or "authorization" in heads[-1]:
            return as_json({"detail": "no"}, 401)
        return as_json({"username": "me"})

    with serving(keys, script, heads=heads) as (_, client):
        assert client.signup("me", "word").username == "me"


def test_tokens_are_not_sent_to_another_service(keys: Keyring) -> None:
    with (
        serving(keys, as_json([])) as (other, _),
        serving(keys, as_json({"access_token": token(), "refresh_token": token()})) as (_, client),
    ):
        client.login("me", "word")
        client.set_url(other.url)
        for call in (client.list_users, client._refresh_token):
            with pytest.raises(TupliStorageError, match=r"Please login again\.$"):
                call()
        assert other.asked == []
        # The original logs in without a word about where.
        keys.entries["pytupli/refresh_token"] = token(seconds=5000)
        assert client.list_users() == []


def test_redirects_carry_no_token_to_another_server(keys: Keyring) -> None:
    heads: list[dict[str, str]] = []
    with fake.serving(lambda *_: as_json([]), heads=heads) as elsewhere:
        there = Reply(b"", 302, headers={"Location": f"{elsewhere.url}/list"})
        with serving(keys, there) as (_, client):
            assert client.list_users() == []
            assert "authorization" not in heads[0]
            with pytest.raises(TupliStorageError, match=r"^API request failed: 302 .*does not fol"):
                client.list_benchmarks()
            with pytest.raises(TupliStorageError, match=r"^API request failed: 302 "):
                client.delete_user("me")
        assert len(heads) == 1


def test_netrc_is_not_read(keys: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    heads: list[dict[str, str]] = []

    def script(_: str, path: str) -> Reply:
        if path == "/access/users/list":
            return Reply(b"", 302, headers={"Location": "/other"})
        return as_json([])

    with serving(keys, script, heads=heads) as (_, client):
        client.list_users()
        with pytest.raises(TupliStorageError):
            client.login("me", "word")
    bearer = f"Bearer {keys.entries['pytupli/access_token']}"
    assert [head.get("authorization") for head in heads] == [bearer, bearer, None]


def test_secrets_are_not_shown(keys: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(keys, Reply(b"", 500)) as (server, client):
        shown = [repr(client), str(vars(client))]
        client.set_url(server.url.replace("//", "//me:hidden@"))
        for call in (
            client.list_users,
            lambda: client.login("me", "hidden"),
            lambda: client.load_artifact("i"),
            lambda: client.store_artifact(b"content", {"name": "a"}),
        ):
            with pytest.raises(TupliStorageError) as raised:
                call()
            error = raised.value
            shown += [str(error), repr(error), str(error.url), str(error.__cause__)]
        client.set_url("http://me:hidden@127.0.0.1:9")
        client.retries = 0
        for call in (client.list_users, lambda: client.load_artifact("i")):
            with pytest.raises(TupliConnectionError) as broken:
                call()
            shown += [str(broken.value), str(broken.value.url)]
    secrets = ["hidden", *(value for name, value in keys.entries.items() if "_token" in name)]
    for text in [*shown, caplog.text]:
        assert not [one for one in secrets if one in text], text


# -- answers


def test_errors_of_the_service(keys: Keyring) -> None:
    answers = [
        (as_json({"detail": "Benchmark already exists"}, 409), " (Benchmark already exists)"),
        (Reply(b"Internal Server Error", 500, "text/plain"), ""),
        (
            as_json({"detail": [{"loc": ["body", "name"], "msg": "Field required"}]}, 422),
            " (body.name: Field required)",
        ),
    ]
    for reply, end in answers:
        with serving(keys, reply) as (server, client), pytest.raises(TupliStorageError) as raised:
            client.create_group(Group(name="a"))
        error = raised.value
        assert error.status_code == reply.status
        assert error.url == f"{server.url}/access/groups/create"
        assert re.fullmatch(
            rf"API request failed: {reply.status} (Client|Server) Error: [\w ]+ for url: "
            rf"{re.escape(error.url)}{re.escape(end)}",
            str(error),
        )
        for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert (str(other), vars(other)) == (str(error), vars(error))


@pytest.mark.parametrize(
    "answer", [Reply(b"<html>"), as_json({"a": 1}), as_json([{"username": 3}]), as_json(None)]
)
def test_answers_that_are_none(answer: Reply, keys: Keyring) -> None:
    what = r"^Request failed: the answer is not what"
    with serving(keys, answer) as (_, client), pytest.raises(TupliStorageError, match=what):
        client.list_users()


def test_nobody_answers(keys: Keyring) -> None:
    with serving(keys, as_json([])) as (_, client):
        client.retries = 0
    for call, start in (
        (client.list_users, "Request failed: "),
        (lambda: client.login("me", "word"), "Login failed: "),
        (lambda: client.signup("me", "word"), "Signup failed: "),
        (client._refresh_token, "Token refresh failed: "),
    ):
        with pytest.raises(TupliConnectionError) as raised:
            call()
        assert isinstance(raised.value, TupliStorageError)
        assert isinstance(raised.value, ConnectionError)
        assert str(raised.value).startswith(start)
        assert pickle.loads(pickle.dumps(raised.value)).url == raised.value.url
    for url in ("nowhere", "ftp://host", "http://", "http://[::1"):
        client.set_url(url)
        with pytest.raises(TupliStorageError, match=r"^Request failed: "):
            client.list_users()


def test_time_limits(keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(*_: str) -> Reply:
        time.sleep(0.6)
        return as_json([])

    with serving(keys, script) as (_, client):
        client.retries = 0
        client.timeout = 0.1
        with pytest.raises(TupliTimeoutError) as raised:
            client.list_users()
        assert isinstance(raised.value, TimeoutError)
        client.timeout = None
        monkeypatch.setenv("SELENITE_TIMEOUT", "0.1")
        with pytest.raises(TupliTimeoutError):
            client.list_benchmarks()
        monkeypatch.delenv("SELENITE_TIMEOUT")
        assert client.list_users() == []


def test_the_network_can_be_switched_off(keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_OFFLINE", "1")
    with serving(keys, as_json([])) as (server, client):
        with pytest.raises(TupliConnectionError, match="SELENITE_OFFLINE"):
            client.list_users()
        assert server.asked == []


BROKEN = Reply(b"[", length=100)
BUSY = [Reply(b"", status) for status in (429, 502, 503, 504)]


@pytest.mark.parametrize("fault", [*BUSY, BROKEN], ids=lambda fault: str(fault.status))
def test_what_may_be_sent_twice_is(fault: Reply, keys: Keyring) -> None:
    calls: list[tuple[Callable[[TupliAPIClient], object], Any]] = [
        (lambda client: client.list_users(), []),
        (lambda client: client.list_benchmarks(), []),
        (lambda client: client.list_episodes(include_tuples=True), []),
        (lambda client: client.delete_artifact("i"), None),
        (lambda client: client.publish_episode("i"), None),
        (lambda client: client.store_artifact(b"content", {"name": "a"}), ITEM),
    ]
    for call, value in calls:
        with serving(keys, [fault, fault, as_json(value)]) as (server, client):
            call(client)
            assert len(server.asked) == 3


@pytest.mark.parametrize("fault", [BUSY[2], BROKEN], ids=lambda fault: str(fault.status))
def test_what_must_not_be_sent_twice_is_not(fault: Reply, keys: Keyring) -> None:
    step = RLTuple(state=1, action=1, reward=1)
    query = BenchmarkQuery(hash="h", serialized="", metadata=BenchmarkMetadata(name="a"))
    episode = Episode(benchmark_id="b", metadata={}, tuples=[step])
    calls: list[Callable[[TupliAPIClient], object]] = [
        lambda client: client.record_episode(episode),
        lambda client: client.store_benchmark(query),
        lambda client: client.create_group(Group(name="a")),
        lambda client: client.signup("me", "word"),
    ]
    for call in calls:
        with serving(keys, [fault, as_json({})]) as (server, client):
            with pytest.raises(TupliStorageError):
                call(client)
            assert len(server.asked) == 1


def test_tries_are_limited(keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(keys, Reply(b"", 503)) as (server, client):
        for retries, environment, expected in ((None, None, 4), (1, None, 2), (None, "2", 3)):
            if environment:
                monkeypatch.setenv("SELENITE_RETRIES", environment)
            client.retries = retries
            server.asked.clear()
            with pytest.raises(TupliStorageError, match=r"^API request failed: 503 "):
                client.list_users()
            assert len(server.asked) == expected


def test_connections_are_kept(keys: Keyring) -> None:
    ports: set[Any] = set()
    with serving(keys, as_json([])) as (_, client):
        for _ in range(5):
            answer = client._authenticated_request(
                "GET", f"{client.base_url}/access/users/list", stream=True
            )
            raw: Any = answer.raw
            ports.add(raw._connection.sock.getsockname())
            answer.content  # noqa: B018
    assert len(ports) == 1


def test_requests_can_be_mocked(keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.entries = {"pytupli/base_url": "http://host", "pytupli/access_token": token()}
    client = TupliAPIClient()
    with responses.RequestsMock() as mock:
        mock.get("http://host/access/users/list", json=[{"username": "mocked"}])
        assert client.list_users()[0].username == "mocked"
    answer = requests.Response()
    answer.status_code, answer._content = 200, b'[{"username": "replaced"}]'
    monkeypatch.setattr(requests, "get", lambda *_, **__: answer)
    assert client.list_users()[0].username == "replaced"


# -- what is sent


@pytest.mark.parametrize(
    ("field", "value"),
    [("reward", float("nan")), ("state", [1.0, float("inf")]), ("action", np.zeros(2))],
)
def test_what_is_no_json_is_named(field: str, value: Any, keys: Keyring) -> None:
    steps = [RLTuple(state=1, action=1, reward=1) for _ in range(4)]
    setattr(steps[2], field, value)
    place = {"state": "tuples[2].state[1]"}.get(field, f"tuples[2].{field}")
    with serving(keys, as_json({})) as (server, client):
        with pytest.raises(TupliStorageError, match=r"^Request failed: ") as raised:
            client.record_episode(Episode(benchmark_id="b", metadata={}, tuples=steps))
        assert str(raised.value).endswith(f" (in {place})")
        assert server.asked == []


def test_numbers_of_numpy_are_floats(keys: Keyring) -> None:
    bodies: list[bytes] = []
    recorded = {"benchmark_id": "b", "n_tuples": 1, "terminated": False, "timeout": False}
    with serving(keys, as_json({**HEADER, **recorded}), bodies=bodies) as (_, client):
        step = RLTuple(state=np.float64(0.5), action=1, reward=1)
        client.record_episode(Episode(benchmark_id="b", metadata={}, tuples=[step]))
    assert json.loads(bodies[0])["tuples"][0]["state"] == 0.5


def test_files_of_callers_are_sent_again_from_where_they_stood(keys: Keyring) -> None:
    bodies: list[bytes] = []
    for fault in (Reply(b"", 503), as_json({}, 401)):
        bodies.clear()
        script = [fault, as_json({"token": token()}), as_json([])]
        with serving(keys, script[:1] + script[1 + (fault.status == 503) :], bodies=bodies) as (
            _,
            client,
        ):
            content = io.BytesIO(b"before|content")
            content.seek(7)
            client._authenticated_request("PUT", f"{client.base_url}/any", data=content)
        assert [body for body in bodies if body] == [b"content", b"content"]


def test_subclasses_lose_their_fields_with_a_warning(
    keys: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    class More(BenchmarkMetadata):
        more: int

    bodies: list[bytes] = []
    with serving(keys, as_json(HEADER), bodies=bodies) as (_, client):
        client.store_benchmark(
            BenchmarkQuery(hash="h", serialized="", metadata=More(name="a", more=1))
        )
    assert "more" not in json.loads(bodies[0])["metadata"]
    assert caplog.messages == ["not kept, since no BenchmarkMetadata has it: more"]


def test_filters_as_dicts(keys: Keyring) -> None:
    bodies: list[bytes] = []
    with serving(keys, as_json([]), bodies=bodies) as (_, client):
        client.list_benchmarks(filter={"type": "EQ", "key": "a", "value": 1})
        client.list_artifacts({})
        client.list_episodes(FilterEQ(key="a", value=1), True)
        client.list_episodes()
        with pytest.raises(ValueError, match="must have key and value"):
            client.list_benchmarks({"type": "EQ"})
    part = {"type": "EQ", "key": "a", "value": 1, "filters": []}
    assert [json.loads(body) for body in bodies] == [
        part,
        {},
        {**part, "include_tuples": True},
        {"include_tuples": False},
    ]


@pytest.mark.parametrize("metadata", [None, "a", 3])
def test_artifacts_need_metadata(metadata: Any, keys: Keyring) -> None:
    with serving(keys, as_json(ITEM)) as (server, client):
        with pytest.raises(TypeError, match="needs metadata: an ArtifactMetadata or a dict"):
            client.store_artifact(b"", metadata)
        with pytest.raises(ValueError, match="name"):
            client.store_artifact(b"", {"description": "no name"})
        with pytest.raises(TypeError, match=r"^an artifact is bytes"):
            client.store_artifact(3, {"name": "a"})  # type: ignore[arg-type]
        assert server.asked == []


def test_the_form_of_uploads(keys: Keyring) -> None:
    class More(ArtifactMetadata):
        score: float

    heads: list[dict[str, str]] = []
    bodies: list[bytes] = []
    with serving(keys, as_json(ITEM), heads=heads, bodies=bodies) as (_, client):
        metadata = More(name="é", score=float("nan"))
        client.store_artifact(b"content", metadata)
    mark = heads[0]["content-type"].partition("boundary=")[2]
    assert heads[0]["user-agent"].endswith(" (pytupli/1.2.9)"), "by the core"
    assert heads[0]["content-length"] == str(len(bodies[0]))
    text = metadata.model_dump_json(serialize_as_any=True)
    assert '"score":null' in text
    assert bodies[0].decode() == (
        f'--{mark}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{text}\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="data"; filename="data"\r\n\r\n'
        f"content\r\n--{mark}--\r\n"
    )


def test_a_lost_answer_of_a_large_upload(keys: Keyring) -> None:
    content = bytes(9 << 20)
    stored = {**ITEM, "hash": hashlib.sha256(content + b"admin").hexdigest()}
    bodies: list[bytes] = []
    for found, uploads in (([stored], 1), ([], 2)):
        asked: list[str] = []

        def script(_: str, path: str, found: Any = found, asked: list[str] = asked) -> Reply:
            asked.append(path)
            if path.endswith("/list"):
                return as_json(found)
            bodies.clear()
            return Reply(b"", 504) if asked == ["/artifacts/upload"] else as_json(stored)

        with serving(keys, script, bodies=bodies) as (_, client):
            assert client.store_artifact(content, {"name": "a"}).hash == stored["hash"]
        assert asked == ["/artifacts/upload", "/artifacts/list", "/artifacts/upload"][: uploads + 1]


def test_another_item_than_was_sent(keys: Keyring) -> None:
    for other in ({"created_by": "other"}, {"hash": "0" * 64}):
        answer, what = as_json({**ITEM, **other}), "which is not that of this content"
        with serving(keys, answer) as (_, client), pytest.raises(TupliStorageError, match=what):
            client.store_artifact(b"content", {"name": "a"})


def test_files_that_shrink(keys: Keyring, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with serving(keys, as_json(ITEM)) as (_, client), file.open("rb") as stream:

        class Shrinking:
            mode, name = "rb", str(file)

            def read(self, size: int) -> bytes:
                return stream.read(size)

            def seekable(self) -> bool:
                return True

            def tell(self) -> int:
                return 0

            def seek(self, offset: int, whence: int = 0) -> int:
                return stream.seek(0, whence) + 5 if whence else stream.seek(offset)

        with pytest.raises(TupliStorageError, match="lost its last 5 bytes"):
            client.store_artifact(Shrinking(), {"name": "a"})  # type: ignore[arg-type]


# -- downloads

CONTENT = bytes(range(256)) * 8192
SHOWN = {"X-Metadata": json.dumps({**ITEM, "hash": hashlib.sha256(CONTENT + b"admin").hexdigest()})}


def test_downloads(keys: Keyring, tmp_path: Path) -> None:
    heads: list[dict[str, str]] = []
    good = Reply(CONTENT, headers=SHOWN)
    with serving(keys, good, heads=heads) as (server, client):
        assert client.load_artifact("i&j") == CONTENT
        client.download_artifact("i", tmp_path / "file")
        with pytest.raises(IsADirectoryError):
            client.download_artifact("i", tmp_path)
        assert len(server.asked) == 2
        assert server.asked[0] == "GET /artifacts/download?artifact_id=i%26j"
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert all(head["user-agent"].endswith(" (pytupli/1.2.9)") for head in heads), "by the core"
    assert heads[0]["connection"] == "close"
    assert heads[0]["accept-encoding"] == "identity"


def test_whoever_overrides_requests_sees_those_for_contents(keys: Keyring) -> None:
    seen: list[str] = []

    class Mine(TupliAPIClient):
        def _authenticated_request(self, method: str, url: str, **kwargs: Any) -> Any:
            seen.append(f"{method} {kwargs.get('stream')}")
            return super()._authenticated_request(method, url, **kwargs)

    heads: list[dict[str, str]] = []
    with serving(keys, Reply(CONTENT, headers=SHOWN), heads=heads) as (_, client):
        assert Mine().load_artifact("i") == CONTENT
        assert seen == ["GET True"]
        # The core has no limit of its own for connecting.
        client.timeout = (5, 60)
        assert client.load_artifact("i") == CONTENT
    assert not [head for head in heads if "selenite" in head["user-agent"]]


def test_downloads_of_other_content(keys: Keyring, tmp_path: Path) -> None:
    bad = Reply(CONTENT[:-1] + b"x", headers=SHOWN)
    good = Reply(CONTENT, headers=SHOWN)
    with serving(keys, [bad, good]) as (server, client):
        assert client.load_artifact("i") == CONTENT
        assert len(server.asked) == 2
    (tmp_path / "file").write_text("old")
    with serving(keys, bad) as (server, client):
        with pytest.raises(TupliStorageError, match="the content of artifact i has another hash"):
            client.load_artifact("i")
        assert len(server.asked) == 2
        with pytest.raises(TupliStorageError, match="has another hash"):
            client.download_artifact("i", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
    # Without a hash there is nothing to compare.
    for headers in ({}, {"X-Metadata": "{"}, {"X-Metadata": "[]"}):
        with serving(keys, Reply(b"any", headers=headers)) as (_, client):
            assert client.load_artifact("i") == b"any"


def test_downloads_that_break_go_on(keys: Keyring) -> None:
    heads: list[dict[str, str]] = []
    whole = len(CONTENT)

    def script(*_: str) -> Reply:
        wanted = heads[-1].get("range")
        if wanted is None:
            return Reply(CONTENT[: whole - 100], headers=SHOWN, length=whole)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        ranged = {**SHOWN, "Content-Range": f"bytes {start}-{whole - 1}/{whole}"}
        return Reply(CONTENT[start:], 206, headers=ranged)

    with serving(keys, script, heads=heads) as (_, client):
        assert client.load_artifact("i") == CONTENT
    assert [head.get("range") is None for head in heads] == [True, False]


@pytest.mark.parametrize("change", ["other item", "whole", "too far"])
def test_downloads_that_break_may_begin_anew(change: str, keys: Keyring) -> None:
    heads: list[dict[str, str]] = []
    whole = len(CONTENT)

    def script(*_: str) -> Reply:
        if len(heads) == 1:
            old = {"X-Metadata": json.dumps({**ITEM, "hash": "0" * 64})}
            headers = old if change == "other item" else SHOWN
            return Reply(CONTENT[:2000000], headers=headers, length=whole)
        wanted = heads[-1].get("range")
        if wanted is None or change == "whole":
            return Reply(CONTENT, headers=SHOWN)
        if change == "too far":
            return as_json({}, 416)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        ranged = {**SHOWN, "Content-Range": f"bytes {start}-{whole - 1}/{whole}"}
        return Reply(CONTENT[start:], 206, headers=ranged)

    with serving(keys, script, heads=heads) as (_, client):
        assert client.load_artifact("i") == CONTENT


def test_no_service_is_believed_how_much_will_come(
    keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytupli._artifacts._MOST_AT_ONCE", 1 << 20)
    with serving(keys, Reply(b"abc", headers=SHOWN, length=1 << 50)) as (_, client):
        client.retries = 1
        with pytest.raises(TupliConnectionError, match=r"^Request failed: "):
            client.load_artifact("i")


def test_files_have_names_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("漢" * 85)
    with _files.placed(str(path)) as file:
        file.write(b"content")
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("way", ["core", "requests"])
def test_many_downloads_end_when_they_are_interrupted(
    way: str, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "requests":
        monkeypatch.setattr("pytupli._artifacts._may_use_core", lambda _: False)
    begun = threading.Event()

    def load(uri: str) -> None:
        if uri == "first":
            begun.wait()
            raise KeyboardInterrupt
        begun.set()
        while True:
            client.load_artifact(uri)

    with (
        serving(keys, Reply(CONTENT, headers=SHOWN)) as (_, client),
        pytest.raises(KeyboardInterrupt),
    ):
        _artifacts.together(load, ["first", "second"], 2)


def test_downloads_that_break_for_good(keys: Keyring) -> None:
    with serving(keys, Reply(b"abc", headers=SHOWN, length=100)) as (server, client):
        client.retries = 2
        with pytest.raises(TupliConnectionError, match=r"^Request failed: "):
            client.load_artifact("i")
        assert 3 <= len(server.asked) <= 4


# -- keyrings


class Failing(Keyring):
    """A keyring whose calls raise."""

    def __init__(self, error: Exception, *calls: str) -> None:
        super().__init__()
        self.error, self.calls = error, calls or ("get", "set", "delete")

    def get_password(self, service: str, username: str) -> str | None:
        if "get" in self.calls:
            raise self.error
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        if "set" in self.calls:
            raise self.error
        super().set_password(service, username, password)

    def delete_password(self, service: str, username: str) -> None:
        if "delete" in self.calls:
            raise self.error
        super().delete_password(service, username)


class Asking(Keyring):
    """A keyring that asks for a password."""

    def get_password(self, service: str, username: str) -> str | None:
        import getpass

        getpass.getpass("Password of the keyring: ")
        return None

    set_password = get_password  # type: ignore[assignment]


KEYRINGS: list[Callable[[], Any]] = [
    keyring.backends.null.Keyring,
    keyring.backends.fail.Keyring,
    lambda: Failing(keyring.errors.NoKeyringError("none")),
    lambda: Failing(keyring.errors.KeyringLocked("locked")),
    lambda: Failing(keyring.errors.InitError("cannot begin")),
    lambda: Failing(keyring.errors.PasswordSetError("full"), "set"),
    lambda: Failing(keyring.errors.KeyringError("delete"), "delete", "set"),
    lambda: Failing(OSError("no bus")),
    lambda: Failing(RuntimeError("broken"), "get"),
    Asking,
]


@pytest.mark.parametrize("make", KEYRINGS)
def test_a_login_without_a_keyring(
    make: Callable[[], Any], keys: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = {"access_token": {"token": token()}, "refresh_token": {"token": "refresh"}}
    script = lambda _, path: as_json(tokens if path.endswith("/token") else [])  # noqa: E731
    with serving(keys, script) as (server, _):
        keyring.set_keyring(make())
        client = TupliAPIClient()
        assert client.base_url == "http://localhost:8080"
        client.login("me", "word", server.url)
        assert client.list_users() == []
        assert TupliAPIClient().base_url == server.url
        assert TupliAPIClient().list_users() == []
    warnings = [one for one in caplog.messages if "address and login are kept for this" in one]
    assert len(warnings) == 1
    assert not [one for one in caplog.messages if token()[:20] in one or "refresh" in one]


def test_a_fresh_token_that_cannot_be_kept_is_used(keys: Keyring) -> None:
    """The keyring locks itself after the login; the old token is not sent for ever."""
    new = token(seconds=2000)
    script = lambda _, path: as_json({"token": new} if "refresh" in path else [])  # noqa: E731
    with serving(keys, script) as (server, client):
        locked = Failing(keyring.errors.KeyringLocked("locked"), "set")
        locked.entries = {**keys.entries, "pytupli/access_token": token(seconds=-5)}
        keyring.set_keyring(locked)
        client.list_users()
        client.list_users()
        assert server.asked.count(REFRESH) == 1


def test_nobody_is_asked_without_a_terminal(keys: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("getpass.getpass", asked.append)
    keyring.set_keyring(Asking())
    assert _keys.get("access_token") is None
    assert asked == []
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    assert _keys.get("access_token") is None
    assert len(asked) == 1


def test_another_keyring_has_another_login(keys: Keyring) -> None:
    keyring.set_keyring(keyring.backends.null.Keyring())  # type: ignore[no-untyped-call]
    _keys.put("access_token", "held")
    assert _keys.get("access_token") == "held"
    keyring.set_keyring(keys)
    assert _keys.get("access_token") is None


def test_keyrings_that_cannot_be_found(
    keys: Keyring, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ImportError("no such backend")

    for name in ("get_keyring", "get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, fail)
    _keys.put("access_token", "held")
    assert _keys.get("access_token") == "held"
    _keys.drop("access_token")
    assert _keys.get("access_token") is None
    assert len(caplog.messages) == 1


def test_threads_read_keyrings_at_once(keys: Keyring) -> None:
    import getpass

    before = getpass.getpass
    threads = [threading.Thread(target=_keys.get, args=("base_url",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert getpass.getpass is before


def test_paths_of_requests(keys: Keyring) -> None:
    """What the original's service has: methods, paths and parameters."""
    group = Group(name="a")
    with serving(keys, as_json(None)) as (server, client):
        calls: list[Callable[[], object]] = [
            lambda: client.delete_user(username="a b"),
            lambda: client.delete_group("g&h"),
            lambda: client.delete_role("r#"),
            lambda: client.publish_artifact("i", "g=h"),
            lambda: client.unpublish_artifact("i", unpublish_from="g"),
            lambda: client.unpublish_episode("i", "ü"),
            lambda: client.delete_episode(uri="../x"),
            lambda: client.change_password("me", "new"),
        ]
        assert [call() for call in calls] == [None] * len(calls)
        with pytest.raises(TupliStorageError):
            client.create_group(group)
    assert server.asked == [
        "DELETE /access/users/delete?username=a+b",
        "DELETE /access/groups/delete?group_name=g%26h",
        "DELETE /access/roles/delete?role_name=r%23",
        "PUT /artifacts/publish?artifact_id=i&publish_in=g%3Dh",
        "PUT /artifacts/unpublish?artifact_id=i&unpublish_from=g",
        f"PUT /episodes/unpublish?episode_id=i&unpublish_from={urllib.parse.quote('ü')}",
        "DELETE /episodes/delete?episode_id=..%2Fx",
        "PUT /access/users/change-password",
        "POST /access/groups/create",
    ]
    assert "requests" in sys.modules
