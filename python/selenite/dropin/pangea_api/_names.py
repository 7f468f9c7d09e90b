"""Local names for fields: what others have named must not lead out of a folder."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

_EXTENSION = re.compile(r"[A-Za-z0-9]{1,10}")


def blob_filename(owner: str, module: str, field: str) -> str:
    """Name a file of JSON for a field.

    Args:
        owner: Name of its sample or group.
        module: Name of its result.
        field: Its name.

    Example:
        >>> blob_filename("s.1", "tool::x", "reads")
        's.1/s-1.tool__x.reads.json'
    """
    parts = [one.replace(".", "-") for one in (owner, module, field)]
    return os.path.join(owner, ".".join([*parts, "json"])).replace("::", "__")


def referenced_filename(owner: str, module: str, field: str, place: str) -> str:
    """Name a file for a field as `blob_filename` does, with the ending of what it refers to.

    Args:
        owner: Name of its sample or group.
        module: Name of its result.
        field: Its name.
        place: A file name, or a URL of it.

    Example:
        >>> referenced_filename("s", "m", "reads", "https://host/a.fastq.gz?x=1.2")
        's/s.m.reads.fastq.gz'
    """
    path = urlsplit(place).path if "://" in place else place
    parts = path.rpartition("/")[2].split(".")[1:]
    endings = parts[-2:] if parts[-1:] == ["gz"] else parts[-1:]
    while endings and not _EXTENSION.fullmatch(endings[0]):
        del endings[0]
    if any(not _EXTENSION.fullmatch(one) for one in endings):
        endings = []
    base = blob_filename(owner, module, field).removesuffix(".json")
    return ".".join([base, *endings])


def inside(folder: str, path: str) -> str:
    """Give a path in a folder, whatever the names in it are.

    Args:
        folder: The folder.
        path: A path of two names, of a folder and a file.

    Example:
        >>> inside("target", "../../a")
        'target/.._../a'
        >>> inside("target", "../a")
        'target/_/a'
    """
    head, _, tail = path.rpartition("/")
    return os.path.join(folder, *(_safe(one) for one in (head, tail) if one))


def _safe(name: str) -> str:
    name = re.sub(r"[/\\\0]", "_", name)
    name = re.sub(r"^[A-Za-z]:", "_", name)
    return "_" if name in ("", ".", "..") else name
