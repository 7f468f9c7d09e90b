"""Exceptions of the packages note which request failed, and stay what they are otherwise."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import girder_client
import gypsum_client as gyp
import pangea_api
import pygobbler as pyg
import pytest
import pytupli.storage
import requests
from support.fake import Reply, serving


def refuse(_method: str, _path: str) -> Reply:
    return Reply(b"404 page not found", 404, "text/plain")


def caught(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as info:  # noqa: PT011 (of all packages)
        call()
    return info.value


def notes(error: BaseException) -> list[str]:
    found: list[str] = getattr(error, "__notes__", [])
    return found


def test_each_package_notes_the_request(tmp_path: Path) -> None:
    with serving(refuse) as fake:
        url = fake.url
        error = caught(
            lambda: pyg.fetch_file("p/a/v/f", str(tmp_path / "none"), url, str(tmp_path))
        )
        assert isinstance(error, requests.HTTPError)
        assert error.args == (404, "404 page not found")
        assert str(error) == "[Errno 404] 404 page not found"
        assert notes(error)[0].startswith(f"GET {url}/fetch/p/a/v/")
        assert notes(error)[0].endswith(" answered 404")
        error = caught(lambda: gyp.save_version("p", "a", "v", tmp_path, url=url))
        assert notes(error)[0].startswith(f"GET {url}/")
        assert notes(pickle.loads(pickle.dumps(error))) == notes(error)
        client = girder_client.GirderClient(apiUrl=f"{url}/api/v1")
        error = caught(lambda: client.downloadFile("5" * 24, str(tmp_path / "file")))
        assert isinstance(error, girder_client.HttpError)
        assert "404" in str(error)


def test_what_the_message_tells_is_not_noted_again(tmp_path: Path) -> None:
    with serving(refuse) as fake:
        url = fake.url
        # Both say method or kind, address and status, as `requests` does.
        knex = pangea_api.Knex(url)
        error = caught(lambda: knex.get("samples/x"))
        assert "404" in str(error)
        assert f"{url}/api/samples/x" in str(error)
        assert notes(error) == []
        storage = pytupli.storage.TupliAPIClient()
        storage.set_url(url)
        error = caught(lambda: storage.login("name", "word"))
        assert "404" in str(error)
        assert f"{url}/access/users/token" in str(error)
        assert notes(error) == []
    error = caught(lambda: pyg.list_projects(str(tmp_path / "none"), url))
    assert isinstance(error, requests.ConnectionError)
    assert url in str(error)
    assert notes(error) == []


def test_a_wrong_argument_is_named(tmp_path: Path) -> None:
    none, url = str(tmp_path / "none"), "http://127.0.0.1:9"
    number: Any = 5
    for call, name in {
        (lambda: pyg.list_assets(number, none, url)): "project",
        (lambda: pyg.list_projects(none, number)): "url",
        (lambda: pyg.fetch_file(number, none, url)): "path",
        (lambda: pyg.fetch_manifest("p", number, "v", none, url)): "asset",
        (lambda: gyp.fetch_manifest("p", "a", number, tmp_path, url=url)): "version",
        (lambda: gyp.create_project("p", ["a"], url=url, token=number)): "token",
    }.items():
        error = caught(call)
        assert isinstance(error, TypeError)
        assert f"`{name}`" in str(error)
