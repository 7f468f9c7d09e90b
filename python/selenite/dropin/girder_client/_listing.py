"""Records of a server, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Callable

Record = dict[str, Any]


class Listing(Iterator[Record]):
    """Records that are asked for when they are needed.

    It is what a generator is: it can be gone through once, and asks for a page when it comes to
    it. Moreover it can be looked at as the list that it stands for, from its beginning, which loads
    what that needs and does not move it.
    """

    def __init__(self, begin: Callable[[], Iterator[Record]]) -> None:
        """Take what goes through the records from the first one on."""
        self._begin = begin
        self._source = begin()
        self._kept: list[Record] = []
        self._is_kept = False
        # Where this is: in what is kept, or behind what nobody wanted to keep.
        self._at = 0

    def __next__(self) -> Record:
        """Give the next record."""
        if self._is_kept:
            self._load(self._at + 1)
            if self._at == len(self._kept):
                raise StopIteration
            record = self._kept[self._at]
        else:
            record = next(self._source)
        self._at += 1
        return record

    def _load(self, count: int | None) -> None:
        """Have so many records, or all of them."""
        if not self._is_kept:
            if self._at:
                self._source = self._begin()
            self._is_kept = True
        missing = None if count is None else max(0, count - len(self._kept))
        self._kept.extend(islice(self._source, missing))

    def __len__(self) -> int:
        """Count all records."""
        self._load(None)
        return len(self._kept)

    def __bool__(self) -> bool:
        """Say whether there is any record."""
        self._load(1)
        return bool(self._kept)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Give records by their place."""
        if isinstance(index, slice):
            ends = (index.start, index.stop)
            is_known = index.stop is not None and all(end is None or end >= 0 for end in ends)
            self._load(index.stop if is_known and (index.step or 1) > 0 else None)
        else:
            self._load(index + 1 if index >= 0 else None)
        return self._kept[index]

    def __repr__(self) -> str:
        """Show the records."""
        self._load(None)
        return repr(self._kept)


def pages(
    ask: Callable[[int, int], list[Record]], size: Callable[[], int], limit: int | None, offset: int
) -> Iterator[Record]:
    """Go through records by asking for one page after the other.

    Args:
        ask: Asks for a page, by offset and limit.
        size: How many records a page has if no limit is given.
        limit: Records in all; 0 for all that there are, in one page.
        offset: Records to leave out.

    Yields:
        The records.
    """
    most = size() if limit is None else limit
    while True:
        page = ask(offset, most)
        yield from page
        if limit is not None or len(page) < most or not page:
            return
        offset += len(page)
