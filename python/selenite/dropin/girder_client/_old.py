"""Names and arguments of older versions of the API."""

from __future__ import annotations

import functools
import os
import warnings
from typing import TYPE_CHECKING, TypeVar

import requests

from ._errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from . import GirderClient

    Record = dict[str, Any]

T = TypeVar("T")

_PARENTS = {"folder", "user", "collection"}


class UnknownMethodError(AttributeError, AssertionError, KeyError):
    """A method that there is not."""


class EmptyUrlError(ValueError, IndexError):
    """An empty URL of an API."""

    def __init__(self) -> None:
        """Say what is missing."""
        super().__init__("apiUrl is empty: expected a URL such as 'http://localhost:8080/api/v1'")


METHODS: dict[str, Callable[..., requests.Response]] = {
    "GET": requests.get,
    "POST": requests.post,
    "PUT": requests.put,
    "DELETE": requests.delete,
    "PATCH": requests.patch,
}


def warn(old: str, new: str) -> None:
    """Say that something is old.

    Args:
        old: What was used.
        new: What to use.
    """
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)


def keyword(name: str, value: T) -> T:
    """Take an argument of older constructors.

    Args:
        name: Its name.
        value: What was given.
    """
    if value:
        new = {"dryrun": "upload(dryRun=)", "blacklist": "upload(blacklist=)"}[name]
        warnings.warn(
            f"GirderClient({name}=) is deprecated: use {new}", DeprecationWarning, stacklevel=4
        )
    return value


def folder_arguments(name: str, description: str, kind: str) -> tuple[str, str, str]:
    """Take the arguments of `createFolder` in the old order, if they can only be in that one.

    Args:
        name: In the old order, what the parent is.
        description: In the old order, the name.
        kind: In the old order, the description.

    Returns:
        Name, description, and what the parent is.
    """
    if name in _PARENTS and kind not in _PARENTS:
        warn(
            "createFolder(parentId, parentType, name, description)",
            "createFolder(parentId, name, description, parentType)",
        )
        return description, kind, name
    return name, description, kind


def may_test(lookup: Callable[..., Any]) -> Callable[..., Any]:
    """Let a look-up give None for what is not there, if it is asked to as of old.

    Args:
        lookup: The method.
    """

    @functools.wraps(lookup)
    def resourceLookup(self: GirderClient, path: str, test: bool | None = None) -> Any:
        if test is None:
            return lookup(self, path)
        warn("resourceLookup(test=)", "an HttpError that is caught")
        try:
            return lookup(self, path)
        except HttpError as error:
            if test and error.status == 400:
                return None
            raise

    return resourceLookup


_KEYWORDS = {
    "file_pattern": "filePattern",
    "parent_id": "parentId",
    "parent_type": "parentType",
    "leaf_folders_as_items": "leafFoldersAsItems",
    "reuse_existing": "reuseExisting",
    "dry_run": "dryRun",
}


def named(upload: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method take its arguments by their old names, too.

    Args:
        upload: The method.
    """

    @functools.wraps(upload)
    def taking(*args: Any, **kwargs: Any) -> Any:
        old = sorted(_KEYWORDS.keys() & kwargs.keys())
        if old:
            warn(f"upload({old[0]}=)", f"upload({_KEYWORDS[old[0]]}=)")
        return upload(*args, **{_KEYWORDS.get(name, name): kwargs[name] for name in kwargs})

    return taking


def _safeMakedirs(path: str) -> None:
    """Make a folder, unless it is there.

    Args:
        path: Where.
    """
    os.makedirs(path, exist_ok=True)


def file_chunker(
    self: GirderClient, filepath: str, filesize: int | None = None
) -> Iterator[tuple[bytes, int]]:
    """Read a file in chunks of ``MAX_CHUNK_SIZE``.

    Args:
        self: The client.
        filepath: The file.
        filesize: Its size, if that is known.

    Yields:
        A chunk, and where it begins.
    """
    left = os.path.getsize(filepath) if filesize is None else filesize
    start = 0
    with open(filepath, "rb") as file:
        while left > 0 and (chunk := file.read(min(self.MAX_CHUNK_SIZE, left))):
            yield chunk, start
            start += len(chunk)
            left -= len(chunk)


def sha512_hasher(filepath: str | os.PathLike[str]) -> str:
    """Compute the SHA-512 digest of a file.

    Args:
        filepath: The file.

    Returns:
        Hexadecimal digits.
    """
    from selenite import _core

    return _core.digest_files([filepath], "sha512")[0]


def load_or_create_folder(
    self: GirderClient, folder_name: str, parent_id: str, parent_type: str
) -> Any:
    """Do what `loadOrCreateFolder` does."""
    warn("load_or_create_folder", "loadOrCreateFolder")
    return self.loadOrCreateFolder(folder_name, parent_id, parent_type)


def load_or_create_item(
    self: GirderClient, name: str, parent_folder_id: str, reuse_existing: bool = True
) -> Any:
    """Do what `loadOrCreateItem` does."""
    warn("load_or_create_item", "loadOrCreateItem")
    return self.loadOrCreateItem(name, parent_folder_id, reuse_existing)


def add_folder_upload_callback(
    self: GirderClient, callback: Callable[[Record, str], object]
) -> None:
    """Do what `addFolderUploadCallback` does."""
    warn("add_folder_upload_callback", "addFolderUploadCallback")
    self.addFolderUploadCallback(callback)


def add_item_upload_callback(self: GirderClient, callback: Callable[[Record, str], object]) -> None:
    """Do what `addItemUploadCallback` does."""
    warn("add_item_upload_callback", "addItemUploadCallback")
    self.addItemUploadCallback(callback)
