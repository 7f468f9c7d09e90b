"""What is remembered beside a local copy, so that the next time only what changed is downloaded.

`.girder_metadata` holds an object of item documents by their ids, as other clients read it. The
files of an item are told of inside of its document, under a key that these do not look at.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from ._downloads import placed
from ._reporting import say

if TYPE_CHECKING:
    from typing import Any

    from . import GirderClient

    Record = dict[str, Any]

NAME = ".girder_metadata"
_KEY = "_selenite"


class Local:
    """The local copy of one client."""

    def __init__(self, gc: GirderClient) -> None:
        """Take the client, whose ``localMetadata`` and ``incomingMetadata`` these are."""
        self._gc = gc
        self._files: dict[str, list[Record]] = {}

    def note(self, item: str, files: list[Record]) -> None:
        """Remember the files of an item that was downloaded."""
        self._files[item] = files

    def done(self) -> dict[str, Record]:
        """The items that are whole, of a download that is not."""
        return {
            item: document
            for item, document in self._gc.incomingMetadata.items()
            if item in self._files
        }

    def is_current(self, item: Record, place: str) -> bool:
        """Say whether an item need not be downloaded again.

        Args:
            item: The server's document.
            place: Where it would come to.
        """
        known = self._gc.localMetadata.get(item["_id"])
        if not isinstance(known, dict):
            return False
        if any(known.get(key) != item.get(key) for key in ("updated", "size")):
            return False
        files = known.get(_KEY)
        if not isinstance(files, list):
            return self._is_as_large(item, place)
        for file in files:
            path = os.path.join(place, file["path"]) if file["path"] else place
            if not os.path.isfile(path) or file["size"] not in (None, os.path.getsize(path)):
                return False
        self._files[item["_id"]] = files
        return bool(files) or os.path.isdir(place)

    @staticmethod
    def _is_as_large(item: Record, place: str) -> bool:
        """The same for what another client has downloaded, which tells of no files."""
        if os.path.isfile(place):
            return os.path.getsize(place) == item.get("size")
        if not os.path.isdir(place):
            return False
        with os.scandir(place) as entries:
            size = sum(entry.stat().st_size for entry in entries if entry.is_file())
        return size == item.get("size")

    def save(self, dest: str) -> None:
        """Write down what was downloaded.

        Args:
            dest: The folder of the copy.
        """
        found = {
            item: {**document, _KEY: self._files[item]} if item in self._files else document
            for item, document in self._gc.incomingMetadata.items()
        }
        os.makedirs(dest, exist_ok=True)
        with placed(os.path.join(dest, NAME)) as target:
            target.write(json.dumps(found).encode())

    def load(self, dest: str) -> None:
        """Read what was written down.

        Args:
            dest: The folder of the copy.
        """
        try:
            with open(os.path.join(dest, NAME), encoding="utf-8") as file:
                self._gc.localMetadata = json.load(file)
        except FileNotFoundError:
            say(self._gc, "Local metadata does not exists. Falling back to download.")
