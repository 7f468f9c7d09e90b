"""Small files of trees, many out of one archive that the server makes.

An archive has contents and names, but no ids, so it is asked for after the lists, and what does not
match them, or does not come, is asked for by itself. A file alone is worth no archive.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import requests

from . import _bodies
from ._errors import HttpError
from ._reporting import _logger
from ._together import Task, reported

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard

    from . import GirderClient
    from ._download_tree import Item
    from ._together import Team

    Record = dict[str, Any]

# What is larger takes the server longer to send than to find.
_LARGEST = 256 << 10
# Fewer files are asked for side by side.
_LEAST = 16
# Several archives come at once; what breaks off is asked for again. An address may have 4 kB.
_MOST_ITEMS = 100
_MOST_BYTES = 4 << 20
# The files of one item are one archive.
_MOST_BYTES_OF_ITEM = 64 << 20


class Wanted(NamedTuple):
    """A file that may come out of an archive.

    Attributes:
        task: Downloads it alone, and tells of it however it came.
        result: Result of the task if it comes out of the archive.
        look: Lists the files of its item, where their digests are known by that alone.
        name: Its name in the archive.
        size: Its size.
        sha512: Its digest, if that is known.
        path: Where to.
    """

    task: Task
    result: Any
    look: Callable[[], Item] | None
    name: str
    size: int
    sha512: str | None
    path: str


def _is_small(size: object) -> TypeGuard[int]:
    return isinstance(size, int) and 0 <= size <= _LARGEST


def may_pack(gc: GirderClient, team: Team) -> bool:
    """Say whether a client may ask for archives.

    Args:
        gc: The client.
        team: Downloads.
    """
    return not team.is_alone and gc.cache is None and _bodies.may_use_core(gc)


class Archives:
    """Archives of a tree: its items wait until there are enough of them."""

    def __init__(self, gc: GirderClient, team: Team, learn: Callable[[], bool | None]) -> None:
        """Begin a tree.

        Args:
            gc: The client.
            team: Downloads.
            learn: Says whether the server has digests of files, which lists of files alone tell;
                None if no such list has come.
        """
        self._gc = gc
        self._team = team
        self._has_digests = learn
        self._is_refused = not may_pack(gc, team)
        self._waiting: dict[str, Wanted] = {}
        self._bytes = 0

    def take(
        self,
        item: Record,
        place: str,
        result: Item,
        look: Callable[[], Item],
        work: Callable[[], Item],
        then: Callable[[Item], object],
    ) -> bool:
        """Let an item come out of an archive, if it may have a single small file of its name.

        Args:
            item: The item.
            place: Where to.
            result: What there is then.
            look: Lists its files.
            work: Downloads it otherwise.
            then: What the calling thread does with the result.
        """
        name, size = item["name"], item.get("size")
        # Of other names it is not sure how an archive writes them.
        is_sure = name.isprintable() and not {"/", "\\"} & set(name)
        # What was added meanwhile may have moved an item to the next page, too.
        is_new = item["_id"] not in self._waiting
        if self._is_refused or not (is_sure and is_new and _is_small(size)) or os.path.isdir(place):
            return False
        if len(self._waiting) == _MOST_ITEMS or self._bytes + size > _MOST_BYTES:
            self.flush()
        task = self._team.put_off(work, then, self.flush)
        self._waiting[item["_id"]] = Wanted(task, result, look, name, size, None, place)
        self._bytes += size
        return True

    def flush(self) -> None:
        """Begin what waits."""
        waiting, self._waiting, self._bytes = self._waiting, {}, 0
        if len(waiting) < _LEAST:
            for wanted in waiting.values():
                self._team.begin(wanted.task)
        elif waiting:
            self._team.ask(partial(self._receive, waiting))

    def _receive(self, waiting: dict[str, Wanted]) -> None:
        """Ask for an archive of items, in a thread of the team."""
        if self._has_digests() is None and not self._is_refused:
            _learn(waiting)
        if self._is_refused or self._has_digests() is None:
            for wanted in waiting.values():
                self._team.begin(wanted.task)
        elif self._has_digests():
            self._list(waiting)
        else:
            self._ask(waiting)

    def _ask(self, waiting: dict[str, Wanted]) -> None:
        if not receive(self._gc, self._team, waiting):
            self._is_refused = True

    def _list(self, waiting: dict[str, Wanted]) -> None:
        """List the files of items side by side; the last of them asks for the archive."""
        left, lock = len(waiting), threading.Lock()
        ready: dict[str, Wanted] = {}

        def look(key: str, wanted: Wanted) -> None:
            nonlocal left
            one = None
            try:
                one = listed(wanted)
            except BaseException as error:
                wanted.task.end(error=error)
            with lock:
                left -= 1
                is_last = left == 0
                if one is not None:
                    ready[key] = one
            if is_last and ready:
                self._ask(ready)

        for key, wanted in waiting.items():
            self._team.ask(partial(look, key, wanted))


def listed(wanted: Wanted) -> Wanted | None:
    """List the files of an item; what is no single small file is left to what comes after its task.

    Args:
        wanted: The item.

    Returns:
        The file, with its digest.
    """
    if wanted.look is None:
        return wanted
    found = wanted.look()
    file, path = found.missing[0] if len(found.missing) == 1 else ({}, "")
    if path != wanted.path or not _is_small(file.get("size")) or "linkUrl" in file:
        wanted.task.end(found)
        return None
    result = replace(found, missing=[])
    return wanted._replace(result=result, size=file["size"], sha512=_digest(file))


def _digest(file: Record) -> str | None:
    digest = file.get("sha512")
    return digest if isinstance(digest, str) and digest else None


def _learn(waiting: dict[str, Wanted]) -> None:
    """Download a file alone: what is empty tells least."""
    found = next((key for key, wanted in waiting.items() if wanted.size), next(iter(waiting)))
    waiting.pop(found).task.run()


def take_files(
    gc: GirderClient,
    team: Team,
    item: tuple[str, str | None],
    missing: list[tuple[Record, str]],
    save: Callable[[Record, str], Any],
) -> bool:
    """Let files of an item come out of an archive, if they are many and small.

    Args:
        gc: The client.
        team: Downloads.
        item: Id of the item, and its name if that is known.
        missing: The files, and where to.
        save: Downloads one of them alone.
    """
    are_small = all(_is_small(file.get("size")) and "linkUrl" not in file for file, _ in missing)
    if len(missing) < _LEAST or not are_small or not may_pack(gc, team):
        return False
    if sum(file["size"] for file, _ in missing) > _MOST_BYTES_OF_ITEM:
        return False
    folder = gc.getItem(item[0])["name"] if item[1] is None else item[1]
    waiting: dict[str, Wanted] = {}
    for file, path in missing:
        name = f"{folder}/{file['name']}"
        task = Task(team, partial(save, file, path), lambda _: None)
        waiting[path] = Wanted(task, None, None, name, file["size"], _digest(file), path)
    tasks = [wanted.task for wanted in waiting.values()]
    team.ask(partial(receive, gc, team, waiting, item[0]))
    for task in tasks:
        team.add(task)
    return True


def _has_none(error: requests.RequestException) -> bool:
    """Say whether a server has no archives, rather than not that one."""
    if not isinstance(error, HttpError):
        return False
    return error.status in {404, 405, 501} or "No matching route" in error.responseText


def receive(
    gc: GirderClient, team: Team, waiting: dict[str, Wanted], item: str | None = None
) -> bool:
    """Download an archive; what is missing in it is begun by itself.

    Args:
        gc: The client.
        team: Downloads the rest.
        waiting: What is to come out of it, by items.
        item: The item, if all of it is of one.

    Returns:
        False if the server gives no archives.
    """
    if gc._hasStore is None:
        _learn(waiting)
    wanted = list(waiting.values())
    if gc._hasStore is not False:
        # The server would fetch one file after the other from there.
        for one in wanted:
            team.begin(one.task)
        return True
    items = [item] if item is not None else list(waiting)
    ids = quote(json.dumps({"item": items}, separators=(",", ":")), safe=":,")
    files = [(one.name, one.size, one.sha512, one.path) for one in wanted]
    come, is_given = [False] * len(wanted), True
    try:
        place = f"resource/download?resources={ids}"
        # Of items, their order is known; of the files of one, it is not.
        come = _bodies.download_packed(gc, place, files, is_ordered=item is None)
    except requests.RequestException as error:
        is_given = not _has_none(error)
        _logger.debug("files are asked for one by one: %s", type(error).__name__)
    except BaseException as error:
        for one in wanted:
            one.task.end(error=error)
        return True
    for one, has_come in zip(wanted, come, strict=True):
        if has_come:
            reported(one.task, os.path.basename(one.path), one.size)
            one.task.end(one.result)
        else:
            team.begin(one.task)
    return is_given
