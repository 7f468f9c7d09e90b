from __future__ import annotations

import pygobbler as pyg
import pytest
import requests
from support.errors import refused
from support.fake import Reply, as_json, serving
from support.service import Gobbler, free_port


def test_staging_and_registry_are_told(gobbler: Gobbler) -> None:
    assert pyg.service_info(gobbler.url) == {
        "staging": gobbler.staging,
        "registry": gobbler.registry,
    }


def test_a_wrong_base_url_is_noticed(gobbler: Gobbler) -> None:
    with pytest.raises(ValueError, match=gobbler.url + "/typo"):
        pyg.service_info(gobbler.url + "/typo")


def test_nobody_there_is_a_connection_error() -> None:
    with (
        free_port() as port,
        pytest.raises(requests.exceptions.ConnectionError, match=str(port)),
    ):
        pyg.service_info(f"http://127.0.0.1:{port}")


def test_an_error_page_is_an_http_error_with_its_text() -> None:
    page = Reply(b"<html>" + b"x" * 1000, 403, "text/html")
    with serving(lambda *_: page) as fake, refused(403, "<html>xxx") as caught:
        pyg.service_info(fake.url)
    assert len(caught.value.args[1]) <= 200


def test_a_page_instead_of_json_is_a_json_error() -> None:
    page = Reply(b"<html>", 200, "text/html")
    with serving(lambda *_: page) as fake, pytest.raises(requests.exceptions.JSONDecodeError):
        pyg.service_info(fake.url)


def test_an_error_carries_the_response(gobbler: Gobbler) -> None:
    reply = as_json({"status": "ERROR", "reason": "because"}, 418)
    with serving(lambda *_: reply) as fake, refused(418, "because") as caught:
        pyg.service_info(fake.url)
    response = caught.value.response
    assert response.status_code == 418
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"status": "ERROR", "reason": "because"}
    assert "because" in response.text
    assert response.url == fake.url + "/info"
