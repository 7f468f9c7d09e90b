"""Manifests of versions: their files, how two of them differ, and what of them is not on a disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from selenite._display import MOST_ROWS, count_text, plain, size_text, table

if TYPE_CHECKING:
    from selenite import _core

_CHUNK = 4096
_Patterns = str | Iterable[str]


class Entry(NamedTuple):
    """One file of a version, or an empty directory.

    Attributes:
        path: Its path in the version.
        size: Its size in bytes.
        md5sum: Its MD5 digest in hexadecimal digits; empty for a directory.
        link: The file of the registry that it is a link to, as ``project/asset/version/path``; None
            if it is none.
    """

    path: str
    size: int
    md5sum: str
    link: str | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is an empty directory."""
        return self.size == 0 and not self.md5sum and self.link is None


class Child(NamedTuple):
    """What is directly in a directory of a version.

    Attributes:
        name: Its name.
        is_directory: Whether it is a directory.
        entry: Its entry; None for a directory that holds something.
    """

    name: str
    is_directory: bool
    entry: Entry | None


class Change(NamedTuple):
    """A path in which two manifests differ.

    Attributes:
        path: The path.
        change: ``added``, ``removed`` or ``changed``.
        size_a: Size in bytes in the first manifest, None if it does not have the file.
        size_b: Size in bytes in the second manifest, None if it does not have the file.
    """

    path: str
    change: Literal["added", "removed", "changed"]
    size_a: int | None
    size_b: int | None


class Finding(NamedTuple):
    """A file of a directory, compared with its entry.

    Attributes:
        path: Its path.
        state: ``ok``, ``missing``, ``differs`` or ``extra``.
        size: Size in bytes that it should have, None for what is extra.
        md5sum: Digest that it should have, None for what is extra.
        actual_size: Size in bytes that it has, None if it is as it should be or missing.
        actual_md5sum: Digest that it has, None if it was not computed.
    """

    path: str
    state: Literal["ok", "missing", "differs", "extra"]
    size: int | None
    md5sum: str | None
    actual_size: int | None
    actual_md5sum: str | None


class Manifest(Mapping[str, Entry]):
    """The files of a version: path to ``Entry``, in byte order of the paths.

    What is parsed stays in the core, in a tenth of the memory of dictionaries.

    Example:
        >>> import selenite
        >>> manifest = selenite.open("gobbler:demo/rna/v1", registry=registry).manifest
        >>> manifest["a.txt"].size
        12
        >>> manifest.files, manifest.total_bytes
        (2, 17)
    """

    __slots__ = ("_table", "_title")

    def __init__(self, table: _core.Table, title: str) -> None:
        """Keep what the core has parsed.

        Args:
            table: The core's own.
            title: Address of the version.
        """
        self._table = table
        self._title = title

    @property
    def address(self) -> str:
        """Address of the version."""
        return self._title

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._table)

    def __getitem__(self, path: str) -> Entry:
        """Return the entry at a path, or raise ``KeyError``."""
        found = self._table.get(path) if isinstance(path, str) else None
        if found is None:
            raise KeyError(path)
        return Entry(*found)

    def __contains__(self, path: object) -> bool:
        """Say whether there is an entry at a path."""
        return isinstance(path, str) and self._table.get(path) is not None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the paths."""
        for start in range(0, len(self), _CHUNK):
            yield from self._table.paths(start, start + _CHUNK)

    def entries(self, directory: str = "") -> Iterator[Entry]:
        """Iterate over the entries below a directory.

        Args:
            directory: A directory of the version, by default all of it.

        Yields:
            Each entry, in byte order of the paths.
        """
        begin, end = self._table.below(directory.rstrip("/"))
        for start in range(begin, end, _CHUNK):
            for row in self._table.rows(start, min(end, start + _CHUNK)):
                yield Entry(*row)

    def children(self, directory: str = "") -> list[Child]:
        """List what is directly in a directory.

        Args:
            directory: A directory of the version, by default its root.

        Returns:
            What is in it, sorted by name.

        Raises:
            NotADirectoryError: If there is no such directory.
        """
        found = self._table.children(directory.rstrip("/"))
        if found is None:
            import errno

            message = os.strerror(errno.ENOTDIR)
            raise NotADirectoryError(errno.ENOTDIR, message, f"{self._title}/{directory}")
        return [
            Child(name, is_directory, None if row is None else Entry(*row))
            for name, row, is_directory in found
        ]

    @property
    def files(self) -> int:
        """Number of files, links among them."""
        return self._table.sums(0, len(self))[0]

    @property
    def total_bytes(self) -> int:
        """Size of all files, links among them, in bytes."""
        return self._table.sums(0, len(self))[1]

    @property
    def links(self) -> int:
        """Number of files that are links to other files of the registry."""
        return self._table.sums(0, len(self))[2]

    @property
    def linked_bytes(self) -> int:
        """Size of the links, in bytes."""
        return self._table.sums(0, len(self))[3]

    def sums(self, directory: str) -> tuple[int, int]:
        """Count what is below a directory.

        Args:
            directory: A directory of the version.

        Returns:
            The number of files, and their size in bytes.
        """
        files, size, _, _ = self._table.sums(*self._table.below(directory.rstrip("/")))
        return files, size

    def filter(
        self, include: _Patterns | None = None, exclude: _Patterns | None = None
    ) -> Manifest:
        """Select entries by their paths.

        Args:
            include: Patterns as of ``fnmatch``, in which ``*`` stands for slashes too; a pattern
                that ends with a slash stands for what is in that directory. None for all.
            exclude: Patterns of what is left out all the same.

        Returns:
            A manifest of the entries that match.

        Example:
            >>> list(manifest.filter("*.txt", exclude="b/*"))
            ['a.txt']
        """
        if include is None and exclude is None:
            return self
        wanted = _matcher(include) if include is not None else None
        unwanted = _matcher(exclude) if exclude is not None else None
        numbers = [
            number
            for number, path in enumerate(self)
            if (wanted is None or wanted(path)) and not (unwanted is not None and unwanted(path))
        ]
        return Manifest(self._table.pick(numbers), self._title)

    def part(self, path: str) -> Manifest:
        """Select the file at a path, or everything below a directory.

        Args:
            path: A file or a directory of the version.

        Returns:
            A manifest of these entries, with their whole paths.

        Raises:
            KeyError: If there is no such file or directory.

        Example:
            >>> list(manifest.part("b"))
            ['b/c.txt']
        """
        path = path.rstrip("/")
        if path in self:
            import glob

            return self.filter(glob.escape(path))
        begin, end = self._table.below(path)
        if begin == end:
            raise KeyError(path)
        return Manifest(self._table.pick(list(range(begin, end))), self._title)

    def tree(self) -> dict[str, Any]:
        """Arrange the entries by directories.

        Returns:
            Name to ``Entry``, or to such a dictionary for a directory.

        Example:
            >>> manifest.tree()["b"]["c.txt"].size
            5
        """
        root: dict[str, Any] = {}
        for entry in self.entries():
            *folders, name = entry.path.split("/")
            inner = root
            for folder in folders:
                inner = inner.setdefault(folder, {})
            inner[name] = {} if entry.is_directory else entry
        return root

    def diff(self, other: Manifest) -> Difference:
        """Compare the content of files with that of another manifest.

        Args:
            other: The other manifest.

        Returns:
            What differs.

        Example:
            >>> import selenite
            >>> new = selenite.open("gobbler:demo/rna/v2", registry=registry).manifest
            >>> [(change.path, change.change) for change in manifest.diff(new)]
            [('a.txt', 'changed'), ('new.txt', 'added')]
        """
        return Difference(self._table.diff(other._table), self._title, other._title)

    def check(
        self,
        directory: str | os.PathLike[str],
        *,
        size_only: bool = False,
        find_extra: bool = False,
        registry: str | os.PathLike[str] | None = None,
        part: str | None = None,
    ) -> Check:
        """Compare the files of a directory with the manifest.

        Args:
            directory: The directory.
            size_only: Compare sizes, and read no content.
            find_extra: Look for files that the manifest does not have, too.
            registry: Directory of the registry, for links whose files are only there.
            part: Only this file or directory; None for all.

        Returns:
            What was found.

        Raises:
            KeyError: If the manifest has no such part.
            OSError: If a file cannot be read.
        """
        from selenite import _core
        from selenite._progress import tracking

        table = self._table if part is None else self.part(part)._table
        with tracking("verify", directory) as progress:
            checked = _core.check_folder(
                table,
                directory,
                registry,
                progress,
                size_only=size_only,
                find_extra=find_extra,
            )
        return Check(checked, None if part is None else part.rstrip("/"))

    def to_pandas(self) -> Any:  # noqa: ANN401 (pandas need not be there)
        """Make a table of pandas, with the columns ``path``, ``size``, ``md5sum`` and ``link``.

        Returns:
            A ``pandas.DataFrame``.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        from selenite._needing import needing

        with needing("this table", "pandas"):
            import pandas as pd
        return pd.DataFrame(self._columns())

    def to_arrow(self) -> Any:  # noqa: ANN401 (pyarrow need not be there)
        """Make a table of Arrow, with the columns ``path``, ``size``, ``md5sum`` and ``link``.

        Returns:
            A ``pyarrow.Table``.

        Raises:
            ModuleNotFoundError: If pyarrow is not installed.
        """
        from selenite._needing import needing

        with needing("this table", "pyarrow"):
            import pyarrow as pa
        text = pa.string()
        types = {"path": text, "size": pa.int64(), "md5sum": text, "link": text}
        return pa.table(self._columns(), schema=pa.schema(types.items()))

    def _columns(self) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {name: [] for name in Entry._fields}
        for entry in self.entries():
            for name, value in zip(Entry._fields, entry, strict=True):
                columns[name].append(value)
        return columns

    def __eq__(self, other: object) -> bool:
        """Say whether both have the same entries."""
        if not isinstance(other, Manifest):
            return NotImplemented
        return len(self) == len(other) and all(
            one == two for one, two in zip(self.entries(), other.entries(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment] # as of other mappings

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse: what is passed on is the version, which reads its manifest again."""
        raise TypeError("a manifest is not pickled: pass its version on")

    def __repr__(self) -> str:
        """Show what it is of."""
        files, size, _, _ = self._table.sums(0, len(self))
        return f"Manifest({plain(self._title)!r}, {count_text(files, 'file')}, {size_text(size)})"

    def __rich_repr__(self) -> Iterator[Any]:
        """Say what ``rich`` shows."""
        yield self._title
        yield "files", self.files
        yield "size", size_text(self.total_bytes)

    def _repr_html_(self) -> str:
        rows = (_cells(Entry(*row)) for row in self._table.rows(0, MOST_ROWS))
        files, size, _, _ = self._table.sums(0, len(self))
        title = f"{self._title}: {count_text(files, 'file')}, {size_text(size)}"
        return table(title, ("path", "size", "md5sum", "link"), rows, len(self))


def _cells(entry: Entry) -> tuple[str, str, str, str]:
    link = "" if entry.link is None else f"→ {entry.link}"
    return entry.path, size_text(entry.size), entry.md5sum[:8], link


def _matcher(patterns: _Patterns) -> Any:  # noqa: ANN401 (what `re` gives)
    import re
    from fnmatch import translate

    from selenite._arguments import listed

    found = [
        f"{pattern}*" if pattern.endswith("/") else pattern
        for pattern in listed(patterns, "pattern")
    ]
    # Nothing matches where there is no pattern.
    return re.compile("|".join(translate(pattern) for pattern in found) or r"(?!)").match


class Difference(Sequence[Change]):
    """What differs between two manifests, sorted by path.

    Attributes:
        equal: Number of entries whose content is the same.
    """

    __slots__ = ("_native", "_titles", "equal")

    def __init__(self, native: _core.Difference, old: str, new: str) -> None:
        """Keep what the core has found."""
        self._native = native
        self._titles = (old, new)
        self.equal: int = native.equal

    def __len__(self) -> int:
        """Return the number of changes."""
        return len(self._native)

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> list[Change]: ...
    def __getitem__(self, index: int | slice) -> Change | list[Change]:
        """Return a change, or several."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(index)
        return _change(*self._native.rows(number, number + 1)[0])

    def __iter__(self) -> Iterator[Change]:
        """Iterate over the changes."""
        for start in range(0, len(self), _CHUNK):
            for row in self._native.rows(start, start + _CHUNK):
                yield _change(*row)

    def counts(self) -> dict[str, int]:
        """Count the changes.

        Returns:
            Numbers of entries that were ``added``, ``removed``, ``changed``, and are ``equal``.
        """
        counts = {"added": 0, "removed": 0, "changed": 0, "equal": self.equal}
        for change in self:
            counts[change.change] += 1
        return counts

    def __repr__(self) -> str:
        """Show the numbers."""
        shown = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        old, new = (plain(title) for title in self._titles)
        return f"Difference({old!r}, {new!r}, {shown})"

    def _repr_html_(self) -> str:
        signs = {"added": "+", "removed": "-", "changed": "*"}

        def cells(change: Change) -> tuple[str, str, str, str]:
            one, two = (
                "" if size is None else size_text(size) for size in (change.size_a, change.size_b)
            )
            return signs[change.change], change.path, one, two

        title = f"{self._titles[0]} → {self._titles[1]}"
        return table(title, ("", "path", "before", "after"), map(cells, self), len(self))


def _change(path: str, old: int | None, new: int | None) -> Change:
    if old is None:
        return Change(path, "added", None, new)
    return Change(path, "removed" if new is None else "changed", old, new)


class Check(Iterable[Finding]):
    """The files of a directory, compared with a manifest.

    It is true if all of them are as they should be.

    Attributes:
        extra: Paths of files that the manifest does not have, if these were looked for.
    """

    __slots__ = ("_native", "extra")

    def __init__(self, native: _core.Checked, part: str | None = None) -> None:
        """Keep what the core has found.

        Args:
            native: The core's own.
            part: The file or directory that was looked at; None for all.
        """
        self._native = native
        self.extra: list[str] = [
            path
            for path in native.extra
            if part is None or path == part or path.startswith(f"{part}/")
        ]

    def __bool__(self) -> bool:
        """Say whether nothing is missing and nothing differs."""
        return self._native.counts()[1] == 0

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over all entries, then over what is extra."""
        for start in range(0, self._native.counts()[0], _CHUNK):
            yield from map(_finding, self._native.rows(start, start + _CHUNK))
        yield from self._extra()

    def faults(self) -> Iterator[Finding]:
        """Iterate over what is not as it should be, then over what is extra.

        Yields:
            Each of them.
        """
        for start in range(0, self._native.counts()[1], _CHUNK):
            yield from map(_finding, self._native.faults(start, start + _CHUNK))
        yield from self._extra()

    def _extra(self) -> Iterator[Finding]:
        for path in self.extra:
            yield Finding(path, "extra", None, None, None, None)

    def counts(self) -> dict[str, int]:
        """Count the files.

        Returns:
            Numbers of files that are ``ok``, ``missing``, different (``differs``) and ``extra``.
        """
        total, faults, absent = self._native.counts()
        return {
            "ok": total - faults,
            "missing": absent,
            "differs": faults - absent,
            "extra": len(self.extra),
        }

    def __repr__(self) -> str:
        """Show the numbers."""
        shown = ", ".join(f"{count} {state}" for state, count in self.counts().items())
        return f"Check({shown})"


def _finding(row: dict[str, Any]) -> Finding:
    return Finding(
        row["path"],
        row["state"],
        row["size"],
        row["md5sum"],
        row["actual_size"],
        row["actual_md5sum"],
    )
