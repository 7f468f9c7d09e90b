"""The network and the service fail in all the ways they do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gypsum_client as gyp
import pytest
from support.bucket import OWNER, Gypsum
from support.proxy import Fault, at, between
from support.tree import Tree, everything, make, read

LARGE = b"0123456789abcdef" * 100_000
TREE: Tree = {"f": "text", "d/g": "more", "large": LARGE}
CONTENT = {
    name: node.encode() if isinstance(node, str) else node for name, node in sorted(TREE.items())
}


@pytest.fixture(autouse=True)
def hasty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon where no answer comes; on a busy machine an honest one may take seconds."""
    if "silence" in request.node.name:
        monkeypatch.setenv("SELENITE_TIMEOUT", "3")


@pytest.fixture
def project(empty: Gypsum) -> Gypsum:
    """A service with the project `p`, whose owner is `alice`."""
    gyp.create_project("p", "alice", **empty.writer)
    return empty


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "source", TREE)


def put(url: str, folder: Path, token: str = OWNER) -> None:
    cache = folder.parent / "no-cache"
    gyp.upload_directory(folder, "p", "a", "v", cache_dir=cache, url=url, token=token)


AGAIN = {"Retry-After": "0"}
FAULTS = {
    "busy": Fault(503, AGAIN),
    "broken": Fault(500, AGAIN),
    "gateway": Fault(502, AGAIN),
    "too many": Fault(429, AGAIN),
    "reset": Fault(reset="before"),
    "reset in the middle": Fault(reset="middle"),
    "lost answer": Fault(reset="after"),
    "silence": Fault(stall=True),
}


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("step", ["POST /upload/presigned-file", "PUT /upload/object/"])
def test_sending_files_is_tried_again(project: Gypsum, folder: Path, what: str, step: str) -> None:
    times = 1 if what == "silence" else 2
    with between(project.url, at(step, FAULTS[what], times)) as proxy:
        put(proxy.url, folder)
    assert read(project.path("p", "a", "v")) == CONTENT
    assert proxy.count("PUT") >= 3
    # All places come with one answer, and another one for each try.
    # A connection that breaks may have been closed while nobody used it, which is no failure.
    if step.startswith("PUT") and FAULTS[what].reset is None:
        assert proxy.count("POST /upload/presigned-file") == 1 + times


def test_a_place_that_has_expired_is_replaced(project: Gypsum, folder: Path) -> None:
    with between(project.url, at("PUT", Fault(403), 3)) as proxy:
        put(proxy.url, folder)
    assert read(project.path("p", "a", "v")) == CONTENT
    assert proxy.count("POST /upload/presigned-file") == 4


@pytest.mark.parametrize("what", ["busy", "too many"])
@pytest.mark.parametrize("step", ["POST /upload/start/", "POST /upload/complete/"])
def test_changes_are_asked_for_again_if_they_were_refused(
    project: Gypsum, folder: Path, what: str, step: str
) -> None:
    with between(project.url, at(step, FAULTS[what], 2)) as proxy:
        put(proxy.url, folder)
    assert proxy.count(step) == 3
    assert read(project.path("p", "a", "v")) == CONTENT


LOST = ["broken", "lost answer", "reset in the middle", "silence"]


@pytest.mark.parametrize("what", LOST)
def test_a_start_whose_answer_is_lost_is_asked_for_again_where_that_does_no_harm(
    project: Gypsum, folder: Path, what: str
) -> None:
    with between(project.url, at("POST /upload/start/", FAULTS[what])) as proxy:
        put(proxy.url, folder)
    assert proxy.count("POST /upload/start/") == 2
    assert proxy.count("POST /upload/abort/") == 0
    assert read(project.path("p", "a", "v")) == CONTENT


@pytest.mark.parametrize("what", LOST)
def test_a_start_whose_answer_is_lost_is_one_clear_error_elsewhere(
    project: Gypsum, folder: Path, what: str
) -> None:
    harm = at("POST /upload/start/", FAULTS[what])
    # A service that does not say that it lets clients choose the tokens of sessions.
    silent = at("HEAD", Fault(404), -1)
    with between(project.url, lambda *asked: harm(*asked) or silent(*asked)) as proxy:
        told = r"^Failed to start an upload.*unlock_project"
        with pytest.raises(gyp.GypsumError, match=told) as caught:
            put(proxy.url, folder)
        assert proxy.count("POST") == 1
        assert OWNER not in str(caught.value)
        # It has chosen by which token what was perhaps begun is known.
        put(proxy.url, folder)
    assert read(project.path("p", "a", "v")) == CONTENT


def test_a_start_that_was_lost_and_is_refused_then_is_ended_by_the_next_upload(
    project: Gypsum, folder: Path
) -> None:
    lost = at("POST /upload/start/", FAULTS["lost answer"])
    refused = at("POST /upload/start/", Fault(403))
    with between(project.url, lambda *asked: lost(*asked) or refused(*asked)) as proxy:
        with pytest.raises(gyp.GypsumError, match=r"an answer was lost.*unlock_project"):
            put(proxy.url, folder)
        assert project.is_locked("p")
        put(proxy.url, folder)
    assert read(project.path("p", "a", "v")) == CONTENT


@pytest.mark.parametrize("what", ["reset", "lost answer"])
def test_an_upload_is_complete_even_if_nobody_said_so(
    project: Gypsum, folder: Path, what: str
) -> None:
    with between(project.url, at("POST /upload/complete/", FAULTS[what])) as proxy:
        put(proxy.url, folder)
    # What was done already is refused the second time, and the version is looked at.
    assert proxy.count("POST /upload/complete/") == 2
    assert proxy.count("POST /upload/abort/") == 0
    assert read(project.path("p", "a", "v")) == CONTENT


@pytest.mark.parametrize("step", ["POST /upload/presigned-file", "PUT", "POST /upload/complete/"])
@pytest.mark.parametrize("fault", [Fault(418), Fault(500, AGAIN), Fault(reset="before")])
def test_a_failed_upload_leaves_nothing_and_unlocks(
    project: Gypsum,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
    fault: Fault,
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    caplog.set_level(logging.DEBUG)
    # The first answer to the abort is lost, too.
    abort = at("POST /upload/abort/", Fault(reset="after"))
    harm = at(step, fault, -1)
    plan = lambda *asked: harm(*asked) or abort(*asked)  # noqa: E731
    with between(project.url, plan) as proxy, pytest.raises(gyp.GypsumError) as caught:
        put(proxy.url, folder)
    assert not hasattr(caught.value, "__notes__") or "locked" not in str(caught.value.__notes__)
    assert not project.is_locked("p")
    assert not project.path("p", "a").exists() or not list(project.path("p", "a").iterdir())
    assert proxy.count("POST /upload/abort/") == 2
    told = (
        f"{caught.value} {caught.value.__cause__} {caught.getrepr(showlocals=False)} {caplog.text}"
    )
    assert "ignature=" not in told.replace("ignature=***", "")
    assert OWNER not in str(caught.value)
    put(project.url, folder)
    assert read(project.path("p", "a", "v")) == CONTENT


def test_an_expired_token_is_one_clear_error(project: Gypsum, folder: Path) -> None:
    before = everything(project.registry)
    calls: list[Callable[[str], object]] = [
        lambda url: put(url, folder, "hush-hush"),
        lambda url: gyp.set_quota("p", 1, url=url, token="hush-hush"),
        lambda url: gyp.remove_project("p", url=url, token="hush-hush"),
    ]
    for call in calls:
        with between(project.url, lambda *_: None) as proxy:
            with pytest.raises(gyp.GypsumError, match="Bad credentials") as caught:
                call(proxy.url)
            assert caught.value.status_code == 401
            assert "hush" not in str(caught.value)
            assert proxy.count("HEAD") + 1 == len(proxy.asked)
    assert everything(project.registry) == before


@pytest.mark.parametrize("what", ["busy", "broken", "too many", "reset", "silence"])
@pytest.mark.parametrize("step", ["GET /list", "GET /file/p%2Fa%2Fv%2F..manifest", "GET /file/"])
def test_downloads_are_tried_again(
    project: Gypsum, folder: Path, cache: Path, what: str, step: str
) -> None:
    put(project.url, folder)
    times = 1 if what == "silence" else 2
    with between(project.url, at(step, FAULTS[what], times)) as proxy:
        saved = gyp.save_version("p", "a", "v", cache, url=proxy.url)
    assert read(Path(saved)) == CONTENT
    assert proxy.count(step) > times


DAMAGE = {
    "truncated": Fault(reset="answer"),
    "shorter": Fault(body=lambda content: content[:-1]),
    "longer": Fault(body=lambda content: content + b"x"),
    "wrong": Fault(body=lambda content: content[:-1] + b"X"),
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("times", [1, -1])
def test_damaged_downloads_are_repeated_and_never_kept(
    project: Gypsum,
    folder: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    times: int,
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    put(project.url, folder)
    names = ("p", "a", "v")
    for path in ("large", "f"):
        place = cache / path

        def save_version(url: str, place: Path = place) -> object:
            return gyp.save_version(*names, place, url=url)

        def save_file(url: str, path: str = path, place: Path = place) -> object:
            return gyp.save_file(*names, path, place, url=url)

        for save in (save_version, save_file):
            step = f"GET /file/p%2Fa%2Fv%2F{path}"
            with between(project.url, at(step, DAMAGE[what], times)) as proxy:
                if times == 1:
                    save(proxy.url)
                    assert read(place / "bucket" / "p" / "a" / "v") == CONTENT
                else:
                    message = f"Failed to save 'p/a/v/{path}'"
                    with pytest.raises(gyp.GypsumError, match=message):
                        save(proxy.url)
                    assert not (place / "bucket" / "p" / "a" / "v" / path).exists()


def test_a_server_that_stalls_is_left_in_time(
    project: Gypsum, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project.url, folder)
    (folder / "new").touch()
    init = gyp.start_upload("p", "a", "w", ["new"], directory=folder, **project.writer)
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    monkeypatch.setenv("SELENITE_TIMEOUT", "1")
    calls: dict[str, Callable[[str], object]] = {
        "GET /list": lambda url: gyp.save_version("p", "a", "v", cache, url=url),
        "PUT": lambda url: gyp.upload_files(init, folder, url=url),
        "POST": lambda url: gyp.complete_upload(init, url=url),
    }

    def stall(step: str) -> None:
        silent = between(project.url, at(step, Fault(stall=True), -1))
        with silent as proxy, pytest.raises(gyp.GypsumConnectionError, match="timed out"):
            calls[step](proxy.url)

    begin = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        list(pool.map(stall, calls))
    assert time.perf_counter() - begin < 15


def test_the_pause_that_a_server_asks_for_is_made(project: Gypsum) -> None:
    begin = time.perf_counter()
    with between(project.url, at("GET", Fault(503, {"Retry-After": "0.4"}))) as proxy:
        gyp.list_projects(url=proxy.url)
    assert 0.4 <= time.perf_counter() - begin < 10
    with (
        between(project.url, at("GET", Fault(503, {"Retry-After": "3600"}))) as proxy,
        pytest.raises(gyp.GypsumError, match="503"),
    ):
        gyp.list_projects(url=proxy.url)
