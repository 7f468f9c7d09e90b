"""Folders on their way to the server: folders in order, files side by side."""

from __future__ import annotations

import glob
import os
from functools import partial
from typing import TYPE_CHECKING

from ._bodies import is_plain, own_method
from ._reporting import say
from ._together import Team, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from . import GirderClient

    Record = dict[str, Any]

_ONLY_FOLDERS = "Items can only be added to folders."


class Tree:
    """One call that uploads a tree, or a part of one."""

    def __init__(
        self,
        gc: GirderClient,
        team: Team,
        *,
        reuse: bool,
        dry: bool,
        blacklist: Iterable[str] | None,
        leaves: bool,
        reference: str | None,
    ) -> None:
        """Keep what holds for all of it."""
        self._gc = gc
        self._team = team
        self._reuse = reuse
        self._dry = dry
        self._blacklist = set(blacklist or ()) | set(gc.blacklist)
        self._leaves = leaves
        self._reference = reference

    def _say(self, text: str) -> None:
        self._team.tell(partial(say, self._gc, text))

    def file(self, name: str, parent: str, path: str) -> None:
        """Upload a file as an item."""
        gc = self._gc
        if own_method(gc, "_uploadAsItem"):
            self.item(name, parent, path)
        else:
            self._team.finish()
            gc._uploadAsItem(name, parent, path, self._reuse, self._dry, self._reference)

    def item(self, name: str, parent: str, path: str) -> None:
        """Upload a file as an item, by what no subclass has replaced."""
        gc = self._gc
        if not gc.progressReporterCls.reportProgress:
            self._say(f"Uploading Item from {name}")
        if self._dry:
            return
        callbacks = list(gc._itemUploadCallbacks)
        reference = self._reference

        def send() -> Record | None:
            if not self._reuse and not callbacks and os.path.getsize(path):
                gc.uploadFileToFolder(parent, path, reference=reference, filename=name)
                return None
            item: Record = gc.loadOrCreateItem(name, parent, self._reuse)
            gc.uploadFileToItem(item["_id"], path, reference=reference, filename=name)
            return item

        def tell(item: Record | None) -> None:
            if item is not None:
                for callback in callbacks:
                    callback(item, path)

        self._team.do(send, tell)

    def folder(self, path: str, parent: str, kind: str) -> None:
        """Upload a folder and what is in it."""
        gc = self._gc
        if self._leaves and gc._hasOnlyFiles(path):
            if kind != "folder":
                raise Exception(
                    f"Attempting to upload a folder as an item under a {kind}. {_ONLY_FOLDERS}"
                )
            self.folder_as_item(path, parent)
            return
        self._say(f"Creating Folder from {path}")
        name = os.path.basename(os.path.abspath(path))
        folder = {"_id": "dryrun"} if self._dry else gc.loadOrCreateFolder(name, parent, kind)
        for entry in sorted(os.listdir(path)):
            place = os.path.join(path, entry)
            if entry in self._blacklist:
                if self._dry:
                    self._say(f"Ignoring file {entry} as it is blacklisted")
            elif os.path.islink(place):
                self._say(f"Skipping file {entry} as it is a symlink")
            elif os.path.isdir(place):
                self._inner(place, folder["_id"])
            else:
                self.file(entry, folder["_id"], place)
        if not self._dry:
            for callback in list(gc._folderUploadCallbacks):
                self._team.tell(partial(callback, folder, path))

    def _inner(self, path: str, parent: str) -> None:
        gc = self._gc
        if own_method(gc, "_uploadFolderRecursive"):
            self.folder(path, parent, "folder")
        else:
            self._team.finish()
            gc._uploadFolderRecursive(
                *(path, parent, "folder", self._leaves, self._reuse),
                *(self._blacklist, self._dry, self._reference),
            )

    def folder_as_item(self, path: str, parent: str) -> None:
        """Upload all files of a folder as those of one item."""
        gc = self._gc
        self._say(f"Creating Item from folder {path}")
        callbacks = list(gc._itemUploadCallbacks)
        names = []
        for name in sorted(os.listdir(path)):
            if name in self._blacklist:
                if self._dry:
                    self._say(f"Ignoring file {name} as it is blacklisted")
            elif os.path.islink(os.path.join(path, name)):
                self._say(f"Skipping file {name} as it is a symlink")
            else:
                names.append(name)
        item = {"_id": "dryrun"}
        if not self._dry:
            name = os.path.basename(os.path.abspath(path))
            item = gc.loadOrCreateItem(name, parent, self._reuse)
        for number, name in enumerate(names, 1):
            self._say(f"Adding file {name}, ({number} of {len(names)}) to Item")
            if not self._dry:
                place = os.path.join(path, name)
                send = partial(
                    gc.uploadFileToItem,
                    *(item["_id"], place),
                    filename=name,
                    reference=self._reference,
                )
                self._team.do(send)
        if not self._dry:
            for callback in callbacks:
                self._team.tell(partial(callback, item, path))


def upload(
    gc: GirderClient,
    patterns: Any,
    parent: str,
    kind: str,
    *,
    reuse: bool,
    dry: bool,
    blacklist: Iterable[str] | None,
    leaves: bool,
    reference: str | None,
) -> int:
    """Upload all that patterns, or paths, lead to.

    Args:
        gc: The client.
        patterns: A path, a pattern, or several of them.
        parent: Id or path of what it comes to.
        kind: What that is.
        reuse: Whether items that are there are taken for those of the same names.
        dry: Whether nothing is changed.
        blacklist: Names that are left out.
        leaves: Whether folders of files alone become items.
        reference: What the server tells its plugins.

    Returns:
        How many files and folders were found.
    """
    parent = gc._checkResourcePath(parent)
    given = [patterns] if isinstance(patterns, str | os.PathLike) else list(patterns)
    found = 0
    with team_for(gc) as team:
        tree = Tree(
            gc, team, reuse=reuse, dry=dry, blacklist=blacklist, leaves=leaves, reference=reference
        )
        for path in _matches(given):
            found += 1
            path = os.path.normpath(path)
            name = os.path.basename(os.path.abspath(path))
            if name in tree._blacklist:
                if dry:
                    tree._say(f"Ignoring file {name} as it is blacklisted")
            elif os.path.isdir(path):
                if own_method(gc, "_uploadFolderRecursive"):
                    tree.folder(path, parent, kind)
                else:
                    team.finish()
                    gc._uploadFolderRecursive(
                        path, parent, kind, leaves, reuse, blacklist, dry, reference
                    )
            elif kind != "folder":
                raise Exception(f"Attempting to upload an item under a {kind}. {_ONLY_FOLDERS}")
            else:
                tree.file(name, parent, path)
    if not found:
        say(gc, f"No matching files: {patterns!r}")
    return found


def _matches(patterns: list[Any]) -> Iterator[str]:
    """Paths that are there, and those that patterns lead to."""
    for pattern in patterns:
        path = os.fspath(pattern)
        if os.path.lexists(path):
            yield path
        else:
            yield from glob.iglob(path)


def team_for(gc: GirderClient) -> Team:
    """Threads for a tree, or none if the caller wants to see each request in order."""
    return Team(gc, workers(gc) if is_plain(gc) else 1)


def single(
    gc: GirderClient,
    act: Callable[[Tree], object],
    *,
    reuse: bool,
    dry: bool,
    blacklist: Iterable[str] | None = None,
    leaves: bool = False,
    reference: str | None = None,
) -> None:
    """Upload a part of a tree that the caller names.

    Args:
        gc: The client.
        act: Does it.
        reuse: As for `upload`.
        dry: As for `upload`.
        blacklist: As for `upload`.
        leaves: As for `upload`.
        reference: As for `upload`.
    """
    with team_for(gc) as team:
        act(
            Tree(
                *(gc, team),
                reuse=reuse,
                dry=dry,
                blacklist=blacklist,
                leaves=leaves,
                reference=reference,
            )
        )
