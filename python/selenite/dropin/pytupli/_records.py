"""Records in files: one each, which is there whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ._errors import TupliStorageError
from ._files import placed
from ._log import logger
from ._matching import predicate
from .schema import BaseFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    Record = dict[str, Any]

SUFFIX = ".json"
METADATA_SUFFIX = ".metadata.json"


def is_name(uri: object) -> bool:
    """Say whether an id is a plain name of a file that a record may have.

    Args:
        uri: The id.

    Example:
        >>> [is_name(uri) for uri in ("9f", "../9f", "..", "", "a/b", ".hidden")]
        [True, False, False, False, False, False]
    """
    if not isinstance(uri, str) or not uri or uri.startswith("."):
        return False
    return not any(one in uri for one in "/\\\0") and not uri.endswith(METADATA_SUFFIX)


def found(folder: Path, uri: object, suffix: str, kind: str) -> str:
    """The path of what has an id.

    Args:
        folder: Where such things are.
        uri: The id.
        suffix: What follows it in the name of the file.
        kind: What it is, for the message.

    Raises:
        TupliStorageError: If there is no such thing.
    """
    path = os.path.join(folder, f"{uri}{suffix}")
    if not is_name(uri) or not os.path.isfile(path):
        message = f"{kind} with ID {uri} does not exist."
        raise TupliStorageError(message)
    return path


def write(path: str, record: Record, kind: str) -> None:
    """Write a record that is not there yet.

    Args:
        path: The file.
        record: The record.
        kind: What it is, for the message.

    Raises:
        TupliStorageError: If it is there, or cannot be written.
    """
    try:
        content = json.dumps(record, indent=2).encode()
    except (TypeError, ValueError) as error:
        message = f"Failed to serialize {kind}: {error}"
        raise TupliStorageError(message) from error
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        # Their names are random: what is left of one is found by that of the next.
        with placed(path, part="record") as file:
            file.write(content)
    except FileExistsError as error:
        message = f"The file {path} already exists and will not be overwritten."
        raise TupliStorageError(message) from error


@contextmanager
def taken_away(path: str | None) -> Iterator[None]:
    """Delete a file if it is there, and put it back if what is done then fails.

    Args:
        path: The file, or None for none.

    Yields:
        Nothing.
    """
    if path is None or not os.path.lexists(path):
        yield
        return
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        # It is no record: it may go alone.
        content = None
    os.unlink(path)
    try:
        yield
    except OSError:
        if content is not None:
            with placed(path, part="record") as file:
                file.write(content)
        raise


def records(folder: Path, suffix: str, having: str = "") -> Iterator[Record]:
    """Go through all records that can be read.

    Args:
        folder: Where they are.
        suffix: How their names end.
        having: What is somewhere in their text; others are not even parsed.
    """
    wanted = having.encode()
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if not entry.name.endswith(suffix) or entry.name.startswith("."):
            continue
        try:
            with open(entry.path, "rb") as file:
                content = file.read()
            record = json.loads(content) if wanted in content else None
        except (OSError, ValueError) as error:
            logger().info("%s is left out: %s", entry.path, error)
            continue
        if isinstance(record, dict):
            yield record


def same(folder: Path, suffix: str, value: str, kind: Any) -> Any:
    """Find the record of a hash; None if there is none.

    Args:
        folder: Where the records are.
        suffix: How their names end.
        value: The hash.
        kind: Class of its model.
    """
    for record in records(folder, suffix, json.dumps(value)):
        if record.get("hash") == value:
            with suppress(ValueError):  # one that cannot be used is none
                return kind.model_validate(record)
    return None


def matching(folder: Path, suffix: str, wanted: Any, kind: Any) -> list[Any]:
    """Make models of the records that are looked for.

    Args:
        folder: Where they are.
        suffix: How their names end.
        wanted: A filter, None or nothing for all.
        kind: Class of the models.
    """
    matches = predicate(as_filter(wanted)) if wanted else None
    result = []
    for record in records(folder, suffix):
        try:
            if matches is None or matches(record):
                result.append(kind.model_validate(record))
        except (TypeError, ValueError) as error:
            logger().info("record %s is left out: %s", record.get("id"), type(error).__name__)
    return result


def as_filter(wanted: Any) -> Any:
    """Take a filter in whichever form.

    Args:
        wanted: A filter or a dict.
    """
    return BaseFilter.model_validate(wanted) if isinstance(wanted, dict) else wanted
