"""Every public name has its place, and nothing else is public."""

from __future__ import annotations

import inspect

import girder_client
import gypsum_client
import pygobbler
import pytest
import selenite


@pytest.mark.parametrize(
    "package",
    [girder_client, gypsum_client, pygobbler, selenite],
    ids=lambda package: package.__name__,
)
def test_every_name_of_all_exists(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        assert hasattr(package, name)


@pytest.mark.parametrize(
    "package",
    [girder_client, gypsum_client, pygobbler, selenite],
    ids=lambda package: package.__name__,
)
def test_other_names_are_private_or_modules(package: object) -> None:
    public = set(package.__all__)  # type: ignore[attr-defined]
    for name, value in vars(package).items():
        known = name in public or name.startswith("_") or inspect.ismodule(value)
        assert known or name in ("TYPE_CHECKING", "annotations", "dist_name"), name


def test_core_errors_are_built_in_errors_too() -> None:
    assert issubclass(selenite.DigestError, ValueError)
    assert issubclass(selenite.UnsafePathError, ValueError)
    assert issubclass(selenite.InvalidArgumentError, ValueError)
    assert issubclass(selenite.TransportTimeout, TimeoutError)
