"""Exceptions reach other processes as they are; one that cannot makes a pool wait for ever."""

from __future__ import annotations

import concurrent.futures
import copy
import importlib
import inspect
import json
import multiprocessing
import pickle
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gypsum_client
import pygobbler
import pytest
import requests
import selenite
from gypsum_client import GypsumConnectionError
from selenite._exceptions import DocumentError
from support import workers
from support.fake import Reply, serving

VALUES: dict[str, object] = {
    "str": "text",
    "str | None": "text",
    "int": 7,
    "int | None": 7,
    "float": 1.5,
    "bool": True,
    "list[str]": ["one", "two"],
    "list[tuple[str, str]]": [("name", "value")],
}


class UsersError(GypsumConnectionError):
    """What a user may derive: other arguments, none of them the message."""

    def __init__(self, project: str, asset: str) -> None:
        super().__init__(f"{project}/{asset}", 503, "later")
        self.project = project


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.iter_modules(package.__path__):
        yield importlib.import_module(f"{package.__name__}.{found.name}")


def of_package(package: ModuleType) -> set[type[BaseException]]:
    return {
        kind
        for module in modules(package)
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, BaseException)
        and kind.__module__.partition(".")[0] == package.__name__
    }


PACKAGES = (selenite, pygobbler, gypsum_client)
CLASSES: list[type[BaseException]] = sorted(
    {UsersError}.union(*map(of_package, PACKAGES)), key=lambda kind: kind.__name__
)


def made(kind: type[BaseException]) -> BaseException:
    if issubclass(kind, json.JSONDecodeError):
        error: BaseException = kind("no value", "{", 1)
    elif kind.__init__ in (
        Exception.__init__,
        BaseException.__init__,
        UserWarning.__init__,
        ValueError.__init__,
    ):
        error = kind("text")
    else:
        parameters = inspect.signature(kind).parameters.values()
        places: list[object] = []
        names: dict[str, object] = {}
        for parameter in parameters:
            value = VALUES[parameter.annotation]
            if parameter.kind is parameter.KEYWORD_ONLY:
                names[parameter.name] = value
            else:
                places.append(value)
        error = kind(*places, **names)
    error.add_note("a note")
    error.items = ["object", "link"]  # type: ignore[attr-defined]
    if isinstance(error, OSError):
        error.errno, error.strerror, error.filename = 13, "no", "a.txt"
    return error


def facts(error: BaseException) -> dict[str, Any]:
    named = ("args", "errno", "strerror", "filename", "filename2")
    slots = {name: getattr(error, name, None) for name in named}
    return {"kind": type(error), "text": str(error), **slots, **error.__dict__}


def copies(error: BaseException) -> list[BaseException]:
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in protocols]
    return [copy.copy(error), copy.deepcopy(error), *pickled]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_can_be_copied_and_pickled(kind: type[BaseException]) -> None:
    error = made(kind)
    for other in copies(error):
        assert other is not error
        assert facts(other) == facts(error)
        assert facts(copy.deepcopy(other)) == facts(error)


def test_the_classes_are_found() -> None:
    assert {selenite.TransportTimeout, DocumentError, GypsumConnectionError} < set(CLASSES)
    assert {"SeleniteWarning", "JSONDecodeError"} < {kind.__name__ for kind in CLASSES}


NOWHERE = "http://127.0.0.1:9"


def test_pools_get_the_errors_of_their_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    folder, staging = tmp_path / "folder", tmp_path / "staging"
    folder.mkdir()
    staging.mkdir()
    (folder / "dangling").symlink_to("nowhere")
    upload = {"directory": str(folder), "staging": str(staging), "url": NOWHERE}
    named = dict.fromkeys(("project", "asset", "version"), "x")

    def script(_: str, path: str) -> Reply:
        if "list" not in path:
            return Reply(b"<html>", kind="text/html")
        return Reply(b'{"reason": "not you"}', 403, "application/json")

    with serving(script) as fake:
        away = {"registry": str(tmp_path / "none"), "url": fake.url}
        calls: list[tuple[type[Exception], tuple[str, str, dict[str, Any]]]] = [
            (selenite.InvalidArgumentError, ("pygobbler", "upload_directory", {**named, **upload})),
            (requests.HTTPError, ("pygobbler", "list_projects", away)),
            (requests.exceptions.JSONDecodeError, ("pygobbler", "service_info", {"url": fake.url})),
            (requests.ConnectionError, ("pygobbler", "service_info", {"url": NOWHERE})),
            (gypsum_client.GypsumError, ("gypsum_client", "list_projects", {"url": fake.url})),
            (GypsumConnectionError, ("gypsum_client", "list_projects", {"url": NOWHERE})),
        ]
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool, concurrent.futures.ProcessPoolExecutor(1, spawn) as executor:
            for kind, call in calls:
                with pytest.raises(kind) as pooled:
                    pool.apply_async(workers.call, call).get(30)
                with pytest.raises(kind) as executed:
                    executor.submit(workers.call, *call).result(30)
                assert facts(pooled.value).keys() == facts(executed.value).keys()
                assert pooled.value.args == executed.value.args
                if isinstance(pooled.value, requests.HTTPError):
                    assert pooled.value.args == (403, "not you")
                    assert pooled.value.response.json() == {"reason": "not you"}
            pool.terminate()
            pool.join()
