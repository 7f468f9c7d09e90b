"""Folders on their way from the server: listed ahead, files side by side."""

from __future__ import annotations

import os
import sys
from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from . import _bodies
from ._bodies import own_method
from ._downloads import download_file, is_there
from ._errors import IncompleteResponseError
from ._names import unused_name
from ._packed import Archives, take_files
from ._reporting import _logger
from ._together import Task, Team, check, reporting
from ._upload_tree import team_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from . import GirderClient

    Record = dict[str, Any]

_PAGE = 500
_USUAL_PAGE = 50
# A larger file is asked for as such: what has come of it is of use when the connection breaks.
_LARGEST_ONLY = 8 << 20
# So much is asked for before it is needed: what a server says of how much there is may be untrue.
_PAGES_AHEAD = 16
_FOLDERS_AHEAD = 64
_MOST_DIGITS = 18
_KINDS = {"collection", "user"}


class Names:
    """Names that were given in one folder."""

    def __init__(self, gc: GirderClient, folder: str) -> None:
        """Begin a folder."""
        self._gc = gc
        self._folder = folder
        self._taken: set[str] = set()

    def place(self, name: str) -> str:
        """Where something of this name comes to: each to a place of its own.

        Args:
            name: Its name on the server.
        """
        plain = self._gc.transformFilename(name)
        found = unused_name(plain, self._taken)
        if found != plain:
            _logger.warning("%r in %s is there twice: saved as %r", name, self._folder, found)
        self._taken.add(os.path.normcase(found))
        place = os.path.join(self._folder, found)
        inside = os.path.join(os.path.abspath(self._folder), "")
        if not os.path.abspath(place).startswith(inside):
            raise ValueError(f"{name!r} would be saved outside of {self._folder}")
        return place


def make_folder(path: str) -> None:
    """Make a folder of a tree; a link is not followed out of it.

    Args:
        path: Where.

    Raises:
        NotADirectoryError: If there is something else.
    """
    if os.path.islink(path):
        message = f"{path} is a link, which a download does not follow"
        raise NotADirectoryError(message)
    os.makedirs(path, exist_ok=True)


class Tree:
    """One call that downloads a tree, or a part of one."""

    def __init__(self, gc: GirderClient, team: Team, *, sync: bool, skip: str | None) -> None:
        """Keep what holds for all of it."""
        self._gc = gc
        self._team = team
        self._sync = sync
        self._skip = skip
        self._only = only = Only(gc, skip)
        self._archives = Archives(gc, team, lambda: only.is_digested) if skip is None else None

    def ask(self, path: str, **given: Any) -> Listed:
        """Let a list be asked for."""
        return Listed(self._gc, self._team, path, **given)

    def folders(self, parent: str, kind: str, dest: str) -> None:
        """Download all folders of something."""
        self._inner(self.ask("folder", parentId=parent, parentType=kind), Names(self._gc, dest))
        self._end()

    def of_all(self, folder: str, dest: str) -> None:
        """Download a folder that is the whole of it."""
        self.folder(self.of_folder(folder), dest)
        self._end()

    def _end(self) -> None:
        if self._archives is not None:
            self._archives.flush()

    def _inner(self, asked: Listed, names: Names) -> None:
        gc = self._gc
        places = [(one, names.place(one["name"])) for one in asked]
        if not own_method(gc, "downloadFolderRecursive"):
            self._team.finish()
            for folder, place in places:
                gc.downloadFolderRecursive(folder["_id"], place, self._sync)
            return
        following = iter(places)
        ahead: deque[tuple[Listed, Listed]] = deque()
        for _, place in places:
            for folder, _ in islice(following, _FOLDERS_AHEAD - len(ahead)):
                ahead.append(self.of_folder(folder["_id"]))
            self.folder(ahead.popleft(), place)

    def of_folder(self, folder: str) -> tuple[Listed, Listed]:
        """Let the content of a folder be asked for: its folders and its items."""
        return (
            self.ask("folder", parentId=folder, parentType="folder"),
            self.ask("item", folderId=folder),
        )

    def folder(self, content: tuple[Listed, Listed], dest: str) -> None:
        """Download a folder: what is in its folders, then its items."""
        folders, items = content
        make_folder(dest)
        names = Names(self._gc, dest)
        self._inner(folders, names)
        for item in items:
            self.item(item, names)

    def item(self, item: Record, names: Names) -> None:
        """Download an item of a folder, unless it is there."""
        gc = self._gc
        gc.incomingMetadata[item["_id"]] = item
        place = names.place(item["name"])
        if self._sync and gc._local.is_current(item, place):
            return
        folder, name = os.path.split(place)
        if own_method(gc, "downloadItem"):
            work = partial(begun, gc, item, place, self._skip, self._only)
            then = partial(finished, gc, self._team, (item["_id"], item["name"]), skip=self._skip)
            look = partial(
                found_files, gc, Team(gc, 1), item["_id"], item["name"], place, self._only
            )
            ways = as_one_file(item), look, work, then
            if self._archives is None or not self._archives.take(item, place, *ways):
                self._team.do(work, then)
        else:
            self._team.finish()
            gc.downloadItem(item["_id"], folder, name)


class Listed:
    """All records of a list, which is asked for ahead: its first page, then others side by side.

    Of a server that does not say how many there are, or of a client that does one thing after the
    other, each page is asked for after the one before it.
    """

    def __init__(self, gc: GirderClient, team: Team, path: str, **given: Any) -> None:
        """Ask for a list.

        Args:
            gc: The client.
            team: Asks.
            path: Path of the list.
            **given: What the server is told.
        """
        package = sys.modules[__package__]
        size = package.DEFAULT_PAGE_LIMIT
        self._size: int = _PAGE if size in (0, _USUAL_PAGE) else size
        self._gc = gc
        self._team = team
        self._path = path
        self._given = given
        self._first = team.ask(partial(self._ask, 0))

    def _ask(self, offset: int) -> tuple[list[Record], int]:
        """Ask for a page; gives how many records there are in all, too, if that is known."""
        asked = {**self._given, "offset": offset, "limit": self._size}
        if self._team.is_alone:
            return self._gc.get(self._path, parameters=asked), 0
        answer = self._gc.get(self._path, parameters=asked, jsonResp=False)
        total = answer.headers.get("Girder-Total-Count", "")
        is_number = total.isdecimal() and len(total) <= _MOST_DIGITS
        return answer.json(), int(total) if is_number else 0

    def __iter__(self) -> Iterator[Record]:
        """Give the records."""
        page, total = self._first.value()
        # Of a server that gives less at once than it is asked for, nothing is passed over.
        size = len(page) if len(page) < total else self._size
        offset, ahead = size, deque[Task]()
        while page:
            while offset < total and len(ahead) < _PAGES_AHEAD:
                ahead.append(self._team.ask(partial(self._ask, offset)))
                offset += size
            yield from page
            if not ahead:
                # There may be more by now.
                if len(page) != size or offset == total:
                    return
                ahead.append(self._team.ask(partial(self._ask, offset)))
                offset += size
            page, _ = ahead.popleft().value()


class Only:
    """Whether the files of items may be asked for without a list of them.

    They may not where the server has digests of them: these are told by lists alone. The first list
    of a tree tells that.
    """

    def __init__(self, gc: GirderClient, skip: str | None) -> None:
        """Begin a tree."""
        self._gc = gc
        self._is_wanted = skip is None and gc.cache is None and own_method(gc, "downloadFile")
        self.is_digested: bool | None = None

    def learn(self, files: list[Record]) -> None:
        """Look at a list."""
        if files and not self.is_digested:
            self.is_digested = any("sha512" in file for file in files)

    def file(self, item: Record, place: str) -> bool:
        """Download the file of an item, if there is no other.

        Args:
            item: The item.
            place: Where to.
        """
        size = item.get("size")
        if not self._is_wanted or self.is_digested is not False or not isinstance(size, int):
            return False
        if not 0 <= size <= _LARGEST_ONLY or not _bodies.may_use_core(self._gc):
            return False
        os.makedirs(os.path.dirname(place), exist_ok=True)
        try:
            has_come = _bodies.download_only_file(
                *(self._gc, item["_id"], item["name"], place, size), lambda _: check()
            )
        except IncompleteResponseError as error:
            # It may have changed since it was listed.
            _logger.debug("the files of an item are listed: %s", error)
            return False
        if not has_come:
            return False
        with reporting(self._gc, os.path.basename(place), size) as reporter:
            reporter.update(size)
        return True


@dataclass
class Item:
    """An item on its way.

    Attributes:
        files: The documents of its files, and where they are below its place.
        missing: Those that have still to come, and where to.
    """

    files: list[Record]
    missing: list[tuple[Record, str]]


def begun(gc: GirderClient, item: Record, place: str, skip: str | None, only: Only) -> Item:
    """Download the file of an item of a tree in one request, or find out which files it has.

    Args:
        gc: The client.
        item: The item.
        place: Where it comes to.
        skip: What of the files is left out, as for `download_file`.
        only: What is known of the server.
    """
    if only.file(item, place):
        return as_one_file(item)
    found = found_files(gc, Team(gc, 1), item["_id"], item["name"], place, only)
    if len(found.missing) == 1:
        _save(gc, *found.missing.pop(), skip)
    return found


def as_one_file(item: Record) -> Item:
    """What there is once the only file of an item is there, which has its name.

    Args:
        item: The item.
    """
    return Item([noted({"name": item["name"], "size": item.get("size")}, "")], [])


def found_files(
    gc: GirderClient, team: Team, item: str, name: str, place: str, only: Only | None = None
) -> Item:
    """Find out which files an item has.

    Args:
        gc: The client.
        team: Asks.
        item: Id of the item.
        name: Name of the item.
        place: Where it comes to: the file itself if it is the only one and named like the item,
            else a folder of all of them.
        only: What learns from the list of its files.
    """
    files = list(Listed(gc, team, f"item/{item}/files"))
    if only is not None:
        only.learn(files)
    if len(files) == 1 and files[0]["name"] == name:
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        return Item([noted(files[0], "")], [(files[0], place)])
    make_folder(place)
    names = Names(gc, place)
    missing = [(file, names.place(file["name"])) for file in files]
    return Item([noted(file, os.path.basename(path)) for file, path in missing], missing)


def finished(
    gc: GirderClient, team: Team, item: tuple[str, str | None], found: Item, *, skip: str | None
) -> None:
    """Download what is missing of an item, many files at once, and remember it then.

    Args:
        gc: The client.
        team: Downloads.
        item: Id of the item, and its name if that is known.
        found: What there is.
        skip: What of the files is left out, as for `download_file`.
    """
    if len(found.missing) == 1:
        # Nobody is needed for that.
        _save(gc, *found.missing[0], skip)
    elif skip is not None or not take_files(
        gc, team, item, found.missing, lambda file, path: _save(gc, file, path, skip)
    ):
        for file, path in found.missing:
            team.do(partial(_save, gc, file, path, skip))
    team.tell(partial(gc._local.note, item[0], found.files))


def _save(gc: GirderClient, file: Record, path: str, skip: str | None) -> None:
    if own_method(gc, "downloadFile"):
        download_file(gc, file["_id"], path, file.get("created"), file, skip)
    elif not is_there(gc, file, path, skip):
        gc.downloadFile(file["_id"], path, created=file.get("created"))


def noted(file: Record, path: str) -> Record:
    """What is remembered of a file that was downloaded.

    Args:
        file: The server's document.
        path: Where it is below the place of its item.
    """
    return {**{key: file.get(key) for key in ("_id", "name", "size", "created")}, "path": path}


def download_folder(gc: GirderClient, folder: str, dest: str, sync: bool, skip: str | None) -> None:
    """Download a folder and all that is in it.

    Args:
        gc: The client.
        folder: Its id or path.
        dest: Where to.
        sync: Whether items that are there are left out.
        skip: What of the files is left out, as for `download_file`.
    """
    folder = gc._checkResourcePath(folder)
    with team_for(gc) as team:
        tree = Tree(gc, team, sync=sync, skip=skip)
        os.makedirs(dest, exist_ok=True)
        tree.of_all(folder, dest)


def download_resource(
    gc: GirderClient, resource: str, dest: str, kind: str, sync: bool, skip: str | None
) -> None:
    """Download a folder, or all folders of a collection or a user.

    Args:
        gc: The client.
        resource: Its id or path.
        dest: Where to.
        kind: What it is.
        sync: Whether items that are there are left out.
        skip: What of the files is left out, as for `download_file`.

    Raises:
        Exception: If it is something else.
    """
    if kind == "folder":
        if own_method(gc, "downloadFolderRecursive"):
            download_folder(gc, resource, dest, sync, skip)
        else:
            gc.downloadFolderRecursive(resource, dest, sync)
    elif kind in _KINDS:
        resource = gc._checkResourcePath(resource)
        os.makedirs(dest, exist_ok=True)
        with team_for(gc) as team:
            Tree(gc, team, sync=sync, skip=skip).folders(resource, kind, dest)
    else:
        raise Exception(f"Invalid resource type: {kind}")


def download_one_item(
    gc: GirderClient, item: str, dest: str, name: str | None, skip: str | None
) -> None:
    """Download an item that a caller names.

    Args:
        gc: The client.
        item: Its id.
        dest: Folder in which it comes.
        name: Its name there, None for that on the server.
        skip: What of the files is left out, as for `download_file`.
    """
    wanted: str = gc.getItem(item)["name"] if name is None else name
    known = wanted if name is None else None
    place = os.path.join(dest, gc.transformFilename(wanted))
    with team_for(gc) as team:
        found = found_files(gc, team, item, wanted, place)
        finished(gc, team, (item, known), found, skip=skip)
