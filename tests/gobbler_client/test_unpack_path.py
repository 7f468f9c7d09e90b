from __future__ import annotations

import pygobbler as pyg
import pytest


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("p/a/v", ("p", "a", "v", None)),
        ("p/a/v/", ("p", "a", "v", None)),
        ("p/a/v/x", ("p", "a", "v", "x")),
        ("p/a/v/x/y", ("p", "a", "v", "x/y")),
        ("p/a/v//x", ("p", "a", "v", None)),
    ],
)
def test_a_path_falls_into_its_parts(path: str, expected: tuple[str, str, str, str | None]) -> None:
    names = ("project", "asset", "version", "path")
    assert pyg.unpack_path(path) == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize("path", ["", "p", "p/a"])
def test_too_few_parts_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected at least 3 path components in 'path'"):
        pyg.unpack_path(path)


@pytest.mark.parametrize("path", ["/p/a/v", "p//v/x", "p/a//x", "//"])
def test_empty_names_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"project|asset|version"):
        pyg.unpack_path(path)
