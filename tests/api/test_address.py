"""How users name what is in a registry."""

from __future__ import annotations

import pytest
import selenite
from selenite import _core


def test_an_address_has_parts() -> None:
    assert _core.parse_address("gypsum:p/a/@latest/d/f%20.txt") == {
        "address": "gypsum://p/a/@latest/d/f%20.txt",
        "scheme": "gypsum",
        "project": "p",
        "asset": "a",
        "version": "@latest",
        "path": "d/f%20.txt",
        "is_folder": False,
    }
    assert _core.parse_address("gobbler://p/")["is_folder"]
    assert _core.parse_address("./gobbler:x") == {
        "address": "./gobbler:x",
        "scheme": None,
        "project": None,
        "asset": None,
        "version": None,
        "path": "./gobbler:x",
        "is_folder": False,
    }


def test_a_fault_names_its_component() -> None:
    message = r"^invalid asset `\.\.x` in `gobbler:demo/\.\.x`: names cannot begin with `\.\.`$"
    with pytest.raises(selenite.InvalidArgumentError, match=message) as caught:
        _core.parse_address("gobbler:demo/..x")
    assert (caught.value.argument, caught.value.value) == ("asset", "..x")
