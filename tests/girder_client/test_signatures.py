"""The public face equals the recorded one of the original."""

from __future__ import annotations

import doctest
import importlib
from unittest import mock

import girder_client
import pytest
from support import signatures

RECORDED = signatures.recorded("girder_client")
CLASSES = signatures.members(RECORDED, "classes")
MEMBERS = [
    (module, name, member)
    for module, name in CLASSES
    for member in RECORDED[module]["classes"][name]["members"]
]


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_classes_have_their_bases(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    signatures.check_bases(kind, RECORDED[module]["classes"][name]["bases"])


@pytest.mark.parametrize(("module", "name", "member"), MEMBERS)
def test_members_are_the_recorded_ones(module: str, name: str, member: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    signatures.check_member(kind, member, RECORDED[module]["classes"][name]["members"][member])


@pytest.mark.parametrize(("module", "name"), signatures.members(RECORDED, "functions"))
def test_functions_are_the_recorded_ones(module: str, name: str) -> None:
    function = getattr(importlib.import_module(module), name)
    signatures.check_function(function, RECORDED[module]["functions"][name])


@pytest.mark.parametrize("module", RECORDED)
def test_constants_are_the_recorded_ones(module: str) -> None:
    signatures.check_names(module, RECORDED[module])


def test_names_that_others_take_are_there() -> None:
    for name in ("_safeNameRegex", "_ProgressBytesIO", "_logger", "_safeMakedirs"):
        assert hasattr(girder_client, name)
    assert girder_client._safeNameRegex.pattern == r"^[/\\]+"
    assert girder_client._logger.name == "girder_client.lib"
    assert set(girder_client.GirderClient.METHODS) == {"GET", "POST", "PUT", "DELETE", "PATCH"}


def test_a_mock_of_the_class_has_what_the_class_has() -> None:
    client = mock.MagicMock(spec=girder_client.GirderClient)
    client.downloadFile("id", "path")
    with pytest.raises(AttributeError):
        client.downloadFiles  # noqa: B018
    assert not hasattr(girder_client.GirderClient, "anything")


def test_examples_of_the_emitter_are_true() -> None:
    module = importlib.import_module("girder_client._jsonemitter")
    results = doctest.testmod(module)
    assert (results.failed, results.attempted > 5) == (0, True)


@pytest.mark.parametrize(
    ("steps", "written"),
    [
        ("start_dict end_dict", "{}"),
        ("start_list append:1 start_list append:2 end_list end_list", "[\n1,\n[\n2\n]\n]"),
        ("start_dict start_subcontainer:k start_dict end_dict end_dict", '{\n"k": {}\n}'),
        ("append:1", None),
        ("start_dict append:1", None),
        ("start_list setitem:1", None),
        ("start_dict start_dict", None),
        ("start_dict end_list", None),
        ("start_dict start_subcontainer:k end_dict", None),
        ("start_list end_list start_list", None),
        ("end_list", None),
    ],
)
def test_json_is_written_piece_by_piece(
    steps: str, written: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    emitter = importlib.import_module("girder_client._jsonemitter")._JSONEmitter()

    def run() -> None:
        for step in steps.split():
            name, _, argument = step.partition(":")
            given = [argument] if name == "start_subcontainer" else [int(argument or 0)]
            given = ["key", *given] if name == "setitem" else given
            getattr(emitter, name)(*(given if argument else []))

    if written is None:
        with pytest.raises(AssertionError):
            run()
    else:
        run()
        assert capsys.readouterr().out == written
