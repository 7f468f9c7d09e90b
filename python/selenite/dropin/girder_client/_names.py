"""Names of a server as names of files."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_safeNameRegex = re.compile(r"^[/\\]+")
_control = re.compile(r"[\x00-\x1f\x7f]")
_windows = re.compile(r'[<>:"|?*\\]')
_device = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")
_MOST_BYTES = 255


def local_name(name: str, *, windows: bool = sys.platform == "win32") -> str:
    """Make a name that can be that of a file, and stays in its folder.

    Args:
        name: A name on the server.
        windows: Whether it has to follow the rules of Windows.

    Returns:
        The same name, if it is an ordinary one.

    Example:
        >>> local_name("../../up"), local_name("/etc/x"), local_name("..")
        ('.._.._up', '_etc_x', '_..')
        >>> local_name("a" * 300 + ".txt") == "a" * 251 + ".txt"
        True
        >>> local_name("a:b.", windows=True), local_name("nul.txt", windows=True)
        ('a_b_', '_nul.txt')
    """
    if name in {".", ".."}:
        name = f"_{name}"
    name = name.replace(os.path.sep, "_")
    if os.path.altsep:
        name = name.replace(os.path.altsep, "_")
    name = _control.sub("_", _safeNameRegex.sub("_", name))
    if windows:
        name = _windows.sub("_", name)
        if name.endswith((".", " ")):
            name = f"{name[:-1]}_"
        if _device.match(name):
            name = f"_{name}"
    return shortened(name) or "_"


def shortened(name: str, most: int = _MOST_BYTES) -> str:
    """Cut a name that is too long for a file system, but keep how it ends.

    Args:
        name: A name.
        most: Bytes that it may have.
    """
    if len(name.encode(errors="replace")) <= most:
        return name
    stem, ending = os.path.splitext(name)
    if len(ending.encode(errors="replace")) > _MOST_BYTES // 8:
        stem, ending = name, ""
    room = most - len(ending.encode(errors="replace"))
    return stem.encode(errors="replace")[:room].decode(errors="ignore") + ending


def unused_name(name: str, taken: Container[str]) -> str:
    """Make a name that is not taken, by a number before its ending.

    Args:
        name: A name.
        taken: Names, in the form of `os.path.normcase`.

    Example:
        >>> unused_name("a.txt", {"a.txt", "a (1).txt"})
        'a (2).txt'
        >>> unused_name("a" * 255, {"a" * 255}) == "a" * 251 + " (1)"
        True
    """
    stem, ending = os.path.splitext(name)
    number, found = 0, name
    while os.path.normcase(found) in taken:
        number += 1
        ending_now = f" ({number}){ending}"
        found = shortened(stem, _MOST_BYTES - len(ending_now.encode(errors="replace"))) + ending_now
    return found
