"""What is sent, and what is made of the answers: against scripted servers and mocks."""

from __future__ import annotations

import copy
import io
import itertools
import json
import os
import pickle
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import girder_client
import httmock
import pytest
import requests
import requests_mock
import responses
from support.fake import Reply, as_json, serving
from support.workers import fork

WORDS = {"Login": "me", "Password": "word", "One-time": "123456"}
ITEMS = [{"_id": f"{number:024}", "name": f"i{number}"} for number in range(7)]


def client(url: str) -> girder_client.GirderClient:
    return girder_client.GirderClient(apiUrl=url)


def paged(method: str, path: str) -> Reply:
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    limit, offset = int(query["limit"][0]), int(query["offset"][0])
    return as_json(ITEMS[offset : offset + limit] if limit else ITEMS)


def test_urls_are_made_of_parts() -> None:
    make = girder_client.GirderClient
    assert make().urlBase == "http://localhost:8080/api/v1/"
    assert make("h", 9000).urlBase == "https://h:9000/api/v1/"
    assert make("h", scheme="http", apiRoot="x").urlBase == "http://h:80/x/"
    one = make("ignored", apiUrl="http://h/api")
    assert (one.urlBase, one.host, one.port, one.scheme) == ("http://h/api/", None, None, None)
    for kind in (ValueError, IndexError):
        with pytest.raises(kind, match="apiUrl"):
            make(apiUrl="")


def test_a_new_client_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.Session, "send", mock.Mock(side_effect=AssertionError))
    girder_client.GirderClient().listItem("x")


def test_lists_are_asked_for_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(girder_client, "DEFAULT_PAGE_LIMIT", 3)
    with serving(paged) as server:
        gc = client(server.url)
        listing = gc.listItem("f")
        assert server.asked == []
        assert next(listing)["name"] == "i0"
        assert len(server.asked) == 1
        assert server.asked[0] == "GET /item?folderId=f&offset=0&limit=3"
        assert [one["name"] for one in itertools.islice(listing, 1)] == ["i1"]
        assert len(server.asked) == 1
        assert [one["name"] for one in listing] == ["i2", "i3", "i4", "i5", "i6"]
        assert len(server.asked) == 3
        assert list(listing) == []
        assert len(gc.listItem("f", limit=2)) == 2
        assert [one["name"] for one in gc.listItem("f", offset=5)] == ["i5", "i6"]
        server.asked.clear()
        assert len(list(gc.listItem("f", limit=0))) == 7
        assert len(server.asked) == 1


def test_lists_can_be_looked_at_without_going_through_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(girder_client, "DEFAULT_PAGE_LIMIT", 3)
    with serving(paged) as server:
        listing = client(server.url).listItem("f")
        assert listing
        assert listing[1]["name"] == "i1"
        assert len(server.asked) == 1
        assert next(listing)["name"] == "i0"
        assert (len(listing), listing[-1]["name"]) == (7, "i6")
        assert [one["name"] for one in listing[2:4]] == ["i2", "i3"]
        assert repr(listing) == repr(ITEMS)
        assert len(server.asked) == 3
        assert [one["name"] for one in listing] == [f"i{number}" for number in range(1, 7)]


def test_no_page_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though `list` asks for the length, and for a part of it if there was a beginning."""
    monkeypatch.setattr(girder_client, "DEFAULT_PAGE_LIMIT", 3)
    with serving(paged) as server:
        for begin in (0, 1, 3, 4):
            listing = client(server.url).listItem("f")
            first = [next(listing) for _ in range(begin)]
            assert [*first, *listing] == ITEMS
            assert list(listing) == []
            assert bool(listing) is True
        assert len(server.asked) == 3 * 4
        listing = client(server.url).listItem("f")
        next(listing)
        assert (len(listing), len(server.asked)) == (7, 3 * 5)
        assert listing[0] == ITEMS[0], "which is asked for again"
        assert len(server.asked) == 3 * 5 + 1
        assert next(listing) == ITEMS[1]
        assert list(listing) == ITEMS[2:]
        late = client(server.url).listItem("f")
        assert len([next(late), next(late)]) == 2
        assert (len(late), next(late)["name"]) == (7, "i2")


def test_failures_tell_what_was_asked_and_answered() -> None:
    answer = as_json({"message": "no such thing", "type": "rest"}, 404)
    with serving(lambda _, __: answer) as server:
        with pytest.raises(girder_client.HttpError) as raised:
            client(server.url).get("item/1", parameters={"a": "b c", "none": None, "t": True})
        error = raised.value
        url = f"{server.url}/item/1?a=b+c&t=True"
        assert (error.status, error.url, error.method) == (404, url, "GET")
        assert str(error) == f"HTTP error 404: GET {url}\nResponse text: {error.responseText}"
        assert isinstance(error, requests.HTTPError)
        assert error.response is not None
        assert error.request.url == url
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.status) == (str(error), 404)
        with pytest.raises(girder_client.HttpError) as raised:
            client(server.url).post("api_key/token", parameters={"key": "secret-key"})
        assert "secret-key" not in str(raised.value)


def test_empty_answers_are_none() -> None:
    with serving(lambda _, path: Reply(b"", 204 if "none" in path else 200)) as server:
        gc = client(server.url)
        assert gc.delete("none") is None
        assert gc.get("empty") is None
        assert gc.get("empty", jsonResp=False).content == b""


def test_methods_are_those_of_requests() -> None:
    gc = client("http://nowhere.invalid")
    assert gc._requestFunc("GET").__name__ == "get"
    for kind in (AttributeError, AssertionError):
        for session in (None, requests.Session()):
            gc._session = session
            with pytest.raises(kind, match="bogus"):
                gc.sendRestRequest("bogus", "x")


def test_headers_can_be_added_and_taken_away() -> None:
    heads: list[dict[str, str]] = []
    with serving(lambda _, __: as_json({}), heads=heads) as server:
        gc = client(server.url)
        gc.get("a")
        gc.setToken("secret")
        gc.sendRestRequest("get", "b", headers={"X": "1"})
        gc.sendRestRequest("get", "c", headers={"Girder-Token": None})
    assert [head.get("girder-token") for head in heads] == ["", "secret", None]
    assert heads[1]["x"] == "1"


def test_busy_servers_are_asked_again_where_that_does_no_harm() -> None:
    counts: dict[str, int] = {}

    def script(method: str, path: str) -> Reply:
        counts[method] = counts.get(method, 0) + 1
        is_over = counts[method] > 2
        return as_json({"n": counts[method]}) if is_over else Reply(b"", 503)

    with serving(script) as server:
        gc = client(server.url)
        assert gc.get("x") == {"n": 3}
        assert gc.put("x/metadata", json={"a": 1}) == {"n": 3}
        with pytest.raises(girder_client.HttpError, match="503"):
            gc.post("x")
    assert counts["POST"] == 1


def test_a_connection_that_is_not_made_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    with serving(lambda _, __: as_json({})) as server:
        pass
    gc = client(server.url)
    with mock.patch("selenite._rest.time.sleep") as slept, pytest.raises(requests.ConnectionError):
        gc.post("x")
    assert slept.call_count == 2


def test_the_network_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_OFFLINE", "1")
    with pytest.raises(requests.ConnectionError, match="SELENITE_OFFLINE"):
        client("http://127.0.0.1:1").get("x")


def test_connections_are_kept_and_not_taken_for_changes_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server closes a connection that it has answered on: what must not be sent twice is not."""
    made: list[str] = []

    def script(method: str, path: str) -> Reply:
        made.append(threading.current_thread().name)
        return as_json({})

    with serving(script) as server:
        gc = client(server.url)
        monkeypatch.setattr("selenite._rest._IDLE_SECONDS", 60.0)
        for _ in range(3):
            gc.get("x")
        assert len(set(made)) == 1
        gc.post("x")
        assert len(set(made)) == 1
        monkeypatch.setattr("selenite._rest._IDLE_SECONDS", -1.0)
        gc.post("x")
        assert len(set(made)) == 2


def test_a_child_has_connections_of_its_own() -> None:
    made: list[str] = []

    def script(method: str, path: str) -> Reply:
        made.append(threading.current_thread().name)
        return as_json({})

    with serving(script) as server:
        gc = client(server.url)
        gc.get("x")
        child = fork(lambda: gc.get("y"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gc.get("z")
    assert made[0] == made[2] != made[1]


def test_the_token_stays_with_its_server() -> None:
    heads: list[dict[str, str]] = []
    with serving(lambda _, __: Reply(b"elsewhere"), heads=heads) as other:
        away = Reply(b"", 303, headers={"Location": f"{other.url}/x"})
        with serving(lambda _, __: away) as server:
            gc = client(server.url)
            gc.setToken("secret")
            sessions: list[Any] = [None, requests.Session()]
            for session in sessions:
                gc._session = session
                answer = gc.sendRestRequest(
                    "get", "file/1/download", jsonResp=False, cookies={"girderToken": "secret"}
                )
                assert answer.content == b"elsewhere"
    assert len(heads) == 2
    assert "secret" not in json.dumps(heads)


def test_nobody_leads_from_tls_to_plain_text(certificate: Path) -> None:
    with serving(lambda _, __: Reply(b"plain")) as other:
        away = Reply(b"", 302, headers={"Location": f"{other.url}/x"})
        with serving(lambda _, __: away, certificate) as server:
            gc = client(server.url)
            with pytest.raises(requests.exceptions.InvalidURL, match="without encryption"):
                gc.sendRestRequest("get", "x", verify=str(certificate))
    assert other.asked == []


def test_plain_text_is_named_where_tls_was_expected() -> None:
    with serving(lambda _, __: as_json({})) as server:
        gc = client(server.url.replace("http:", "https:"))
        with pytest.raises(requests.exceptions.SSLError, match="scheme='http'"):
            gc.get("x")


def test_secrets_come_in_forms_and_long_texts_too() -> None:
    bodies: list[bytes] = []
    answer = {"authToken": {"token": "t" * 64}, "user": {"_id": "1"}, "_id": "1"}
    with serving(lambda _, __: as_json(answer), bodies=bodies) as server:
        gc = client(server.url)
        gc.authenticate(apiKey="key-1234")
        gc.createUser("l", "e@x.org", "f", "n", "password-1")
        gc.createItem("f", "n", metadata={"long": "x" * 5000})
        gc.createItem("f", "n", metadata={"short": 1})
    asked = server.asked
    assert asked[:3] == ["POST /api_key/token", "POST /user", "POST /item"]
    assert asked[3].startswith("POST /item?folderId=f&name=n&")
    assert b"key=key-1234" in bodies[0]
    assert b"password=password-1" in bodies[1]


def test_a_token_that_expires_is_replaced_once() -> None:
    tokens = iter(["first", "second"])
    heads: list[dict[str, str]] = []

    def script(method: str, path: str) -> Reply:
        if path.startswith("/api_key"):
            token = next(tokens, None)
            answer = {"authToken": {"token": token}, "user": {"_id": "1"}}
            return as_json(answer) if token else as_json({"message": "Invalid API key."}, 400)
        is_known = heads[-1]["girder-token"] == "second"
        return as_json({"ok": 1}) if is_known else as_json({"message": "no"}, 401)

    with serving(script, heads=heads) as server:
        gc = client(server.url)
        assert gc.authenticate(apiKey="key") == {"_id": "1"}
        assert gc.put("item/1/metadata", json={}) == {"ok": 1}
        gc.setToken("expired")
        with pytest.raises(girder_client.HttpError, match="401"):
            gc.get("x")  # the key is of no use any more
        with pytest.raises(girder_client.HttpError, match="400"):
            gc.authenticate(apiKey="key")


def test_threads_whose_token_expires_together_ask_once_for_another() -> None:
    heads: list[dict[str, str]] = []
    together = threading.Barrier(4)

    def script(method: str, path: str) -> Reply:
        if path.startswith("/api_key"):
            return as_json({"authToken": {"token": "new"}, "user": {"_id": "1"}})
        token = path.partition("token=")[2]
        if token == "old":
            together.wait(30)
            return as_json({"message": "no"}, 401)
        return as_json({"ok": 1})

    class Own(girder_client.GirderClient):
        """Tells its token in the URL: of several requests at once, their headers are nobody's."""

        def _requestFunc(self, method: str) -> Any:
            plain = super()._requestFunc(method)

            def send(url: str, headers: Any, **given: Any) -> Any:
                return plain(f"{url}?token={headers['Girder-Token']}", headers=headers, **given)

            return send

    with serving(script, heads=heads) as server:
        gc = Own(apiUrl=server.url)
        gc.token, gc._apiKey = "old", "key"
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(gc.get, ["x"] * 4)) == [{"ok": 1}] * 4
    assert sum(line.startswith("POST /api_key") for line in server.asked) == 1


def test_logins_are_refused_with_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    status = 401
    heads: list[dict[str, str]] = []

    def script(method: str, path: str) -> Reply:
        return as_json({"message": "Login failed."}, status)

    with serving(script, heads=heads) as server:
        gc = client(server.url)
        gc.setToken("old")
        with pytest.raises(girder_client.AuthenticationError, match="Login failed"):
            gc.authenticate("ü", "pässword")
        assert gc.token == "old"
        assert "girder-token" not in heads[0]
        assert heads[0]["authorization"].startswith("Basic ")
        with pytest.raises(Exception, match="A user name and password are required"):
            gc.authenticate("name")
        status = 500
        with pytest.raises(girder_client.HttpError) as raised:
            gc.authenticate("a", "b")
        assert raised.value.method == "get"


def test_the_user_is_asked_for_what_is_missing() -> None:
    asked: list[str] = []
    heads: list[dict[str, str]] = []

    def script(method: str, path: str) -> Reply:
        if "girder-otp" not in heads[-1]:
            return as_json({"message": 'a one-time password (in the "Girder-OTP" header)'}, 401)
        return as_json({"authToken": {"token": "t"}, "user": {"login": "me"}})

    def told(text: str) -> str:
        asked.append(text)
        return next(word for start, word in WORDS.items() if text.startswith(start))

    with (
        serving(script, heads=heads) as server,
        mock.patch("builtins.input", told),
        mock.patch("getpass.getpass", told),
    ):
        gc = client(server.url)
        assert gc.authenticate(interactive=True) == {"login": "me"}
        assert gc.authenticate("me", "word", otp="1") == {"login": "me"}
    assert asked == ["Login or email: ", "Password for me: ", "One-time password: "]
    assert [head.get("girder-otp") for head in heads] == [None, "123456", "1"]


def test_sessions_are_the_callers_and_come_back() -> None:
    heads: list[dict[str, str]] = []
    with serving(lambda _, __: as_json({}), heads=heads) as server:
        gc = client(server.url)
        mine = requests.Session()
        mine.headers["X-Mine"] = "1"
        with gc.session(mine) as session:
            assert session is mine
            gc.get("x")
            with gc.session() as inner:
                assert isinstance(inner, requests.Session)
                assert gc._session is inner
            assert gc._session is mine
        assert gc._session is None
        with pytest.raises(ZeroDivisionError), gc.session():
            raise ZeroDivisionError
        assert gc._session is None
        gc._session = mine
        gc.get("y")
    assert [head.get("x-mine") for head in heads] == ["1", "1"]


def test_methods_of_subclasses_see_every_request(tmp_path: Path) -> None:
    seen: list[str] = []

    class Own(girder_client.GirderClient):
        def sendRestRequest(self, *args: Any, **kwargs: Any) -> Any:
            seen.append(f"{args[0].upper()} {args[1]}")
            return super().sendRestRequest(*args, **kwargs)

    with serving(small_server()) as server:
        gc = Own(apiUrl=server.url)
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "a").write_bytes(b"abc")
        gc.upload(str(tmp_path / "tree"), "parent")
        gc.downloadFolderRecursive("folder", tmp_path / "out")
        gc.getUser("1")
        sent = [line.partition("?")[0].replace(" /", " ") for line in server.asked]
    assert seen == sent
    assert (tmp_path / "out" / "a").read_bytes() == b"abc"


def small_server() -> Any:
    """A server with one folder, one item and one file of three bytes."""
    file = {"_id": "file", "name": "a", "size": 3, "created": "now", "_modelType": "file"}
    item = {"_id": "item", "name": "a", "size": 3, "updated": "now"}

    def script(method: str, path: str) -> Reply:
        place, _, query = path.partition("?")
        if place == "/system/version":
            return as_json({"release": "10.0.1"})
        if place == "/folder":
            return as_json([] if method == "GET" else {"_id": "folder", "name": "tree"})
        if place == "/item":
            return as_json([item] if "folderId=folder&" in query + "&" else [])
        if place in ("/item/item/files", "/file/file"):
            return as_json([file] if "files" in place else file)
        if place in ("/file/file/download", "/item/item/download"):
            return Reply(b"abc", headers={"Content-Disposition": 'attachment; filename="a"'})
        if place == "/file":
            return as_json(file)
        return as_json({"_id": "x"})

    return script


def test_responses_sees_every_request(tmp_path: Path) -> None:
    """As `requests_mock`, `httmock` and `unittest.mock` do."""
    with responses.RequestsMock() as mocked:
        base = "http://girder.invalid/api/v1/"
        file = {"_id": "1", "name": "a", "size": 3, "created": "now"}
        mocked.get(f"{base}file/1", json=file)
        mocked.get(f"{base}file/1/download", body=b"abc")
        girder_client.GirderClient(apiUrl=base).downloadFile("1", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"abc"
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{base}file/1", json=file)
        mocked.get(f"{base}file/1/download", content=b"abc")
        girder_client.GirderClient(apiUrl=base).downloadFile("1", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"abc"

    @httmock.all_requests  # type: ignore[untyped-decorator]
    def answer(url: Any, request: Any) -> Any:
        return httmock.response(200, b"abc" if url.path.endswith("download") else file)

    gc = girder_client.GirderClient(apiUrl=base)
    with httmock.HTTMock(answer):
        gc.downloadFile("1", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"abc"
    fake = mock.Mock(status_code=200, headers={}, content=b"{}")
    fake.json.return_value = {"faked": 1}
    with mock.patch("requests.get", return_value=fake) as get:
        assert gc.get("x") == {"faked": 1}
    assert get.call_count == 1
    with mock.patch.object(gc, "post", return_value={"_id": "1"}) as post:
        assert gc.uploadFile("item", io.BytesIO(b"abc"), "n", 3) == {"_id": "1"}
    assert [call.args[0] for call in post.call_args_list] == ["file", "file/chunk"]


def test_raw_bodies_come_to_the_session_as_they_are() -> None:
    gc = girder_client.GirderClient(apiUrl="http://girder.invalid")
    answer = requests.Response()
    answer.status_code = 204
    with mock.patch.object(requests.Session, "send", return_value=answer) as send:
        gc.put("x", data="raw")
        gc.put("x", json={"a": 1})
    bodies = [call.args[0].body for call in send.call_args_list]
    assert bodies == ["raw", b'{"a": 1}']


def test_servers_are_asked_once_for_what_does_not_change() -> None:
    with serving(lambda _, __: as_json({"release": "3.0.0a5.dev1", "info": {}})) as server:
        gc = client(server.url)
        for cached in (True, True, False):
            assert gc.getServerVersion(cached) == ["3", "0", "0a5.dev1"]
            assert "info" in gc.getServerAPIDescription(cached)
    assert [line for line in server.asked if "version" in line] == ["GET /system/version"] * 2
    assert [line for line in server.asked if "describe" in line] == ["GET /describe"] * 2


def test_clients_can_be_copied_and_go_to_other_processes() -> None:
    with serving(lambda _, __: as_json({})) as server:
        gc = client(server.url)
        gc.setToken("t")
        gc.get("x")
        for one in (copy.copy(gc), pickle.loads(pickle.dumps(gc))):
            one.get("x")
            assert one.token == "t"


def test_what_is_left_out_is_not_sent() -> None:
    with serving(lambda _, __: as_json({"_id": "1"})) as server:
        gc = client(server.url)
        gc.getResource("user", property="me")
        gc.getResource("item", "1", "files")
        gc.getResource("item")
        gc.uploadFileContents("1", io.BytesIO(b""), 0, reference="")
        gc.uploadFile("1", io.BytesIO(b""), "n", 0, reference="")
    assert server.asked == [
        "GET /user/me",
        "GET /item/1/files",
        "GET /item",
        "PUT /file/1/contents?size=0",
        "POST /file?parentType=item&parentId=1&name=n&reference=&size=0",
    ]


def test_old_names_still_work() -> None:
    with serving(small_server()) as server:
        gc = client(server.url)
        for call in (
            lambda: gc.load_or_create_folder("n", "p", "folder"),
            lambda: gc.load_or_create_item("n", "p", True),
            lambda: gc.add_folder_upload_callback(print),
            lambda: gc.add_item_upload_callback(print),
            lambda: gc.upload(file_pattern=[], parent_id="p", leaf_folders_as_items=True),
            lambda: gc.resourceLookup("/x", test=True),
            lambda: girder_client.GirderClient(blacklist=["a"]),
            lambda: girder_client.GirderClient(dryrun=True),
        ):
            with pytest.warns(DeprecationWarning, match="is deprecated: use"):
                call()
    with serving(lambda _, __: as_json({"message": "Path not found: x"}, 400)) as server:
        gc = client(server.url)
        with pytest.warns(DeprecationWarning, match="test="):
            assert gc.resourceLookup("/x", test=True) is None
        with pytest.raises(girder_client.HttpError):
            gc._checkResourcePath("/x")
        with pytest.raises(girder_client.HttpError):
            gc.upload("x", "/x")
