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
        # Records that were loaded ahead of need, from `_kept_from` on; None if there are none.
        self._kept: list[Record] | None = None
        self._kept_from = 0
        self._at = 0

    def __next__(self) -> Record:
        """Give the next record."""
        if self._kept is None:
            record = next(self._source)
        else:
            place = self._at - self._kept_from
            if len(kept := self._load(place + 1)) == place:
                raise StopIteration
            record = kept[place]
        self._at += 1
        return record

    def _load(self, count: int | None) -> list[Record]:
        """Have so many records, or all of them, and keep them."""
        if self._kept is None:
            self._kept, self._kept_from = [], self._at
        missing = None if count is None else max(0, count - len(self._kept))
        self._kept.extend(islice(self._source, missing))
        return self._kept

    def _load_from_first(self, count: int | None) -> list[Record]:
        """The same from the first one on: again, if those before were let go."""
        let_go = self._at if self._kept is None else self._kept_from
        if let_go:
            self._source = self._begin()
            self._kept, self._kept_from = [], 0
        return self._load(count)

    def __len__(self) -> int:
        """Count all records.

        `list` does so before it goes through them, which must ask for none of them twice.
        """
        kept = self._load(None)
        return self._kept_from + len(kept)

    def __bool__(self) -> bool:
        """Say whether there is any record."""
        return self._at > 0 or bool(self._load(1))

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Give records by their place."""
        if isinstance(index, slice):
            ends = (index.start, index.stop)
            is_known = index.stop is not None and all(end is None or end >= 0 for end in ends)
            wanted = index.stop if is_known and (index.step or 1) > 0 else None
        else:
            wanted = index + 1 if index >= 0 else None
        return self._load_from_first(wanted)[index]

    def __repr__(self) -> str:
        """Show the records."""
        return repr(self._load_from_first(None))


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
