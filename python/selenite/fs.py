"""Registries as filesystems of fsspec: ``gobbler://`` and ``gypsum://``.

pandas, Dask, zarr, pyarrow and others find them by these names. They can only be read.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from selenite import _core
from selenite._failures import asking, missing
from selenite._manifest import Entry
from selenite._needing import needing
from selenite._place import place
from selenite._registry import LATEST, Version

with needing("this filesystem", "fsspec", "selenite[fsspec]"):
    from fsspec.callbacks import DEFAULT_CALLBACK
    from fsspec.implementations.local import LocalFileOpener, LocalFileSystem
    from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
    from fsspec.utils import stringify_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from selenite._place import _Service

    _Info = dict[str, Any]
    _Path = str | os.PathLike[str]

__all__ = ["GobblerFileSystem", "GypsumFileSystem"]

#: So many manifests are kept.
_MOST_MANIFESTS = 16
#: From this size on, parts of files are asked for alone.
_RANGE_BYTES = 32 * 1024 * 1024
_SEPARATE = 3


class _RegistryFileSystem(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """A registry that is read, as a filesystem.

    Paths are ``project/asset/version/path``; ``@latest`` is the latest version. What comes from a
    service is compared with the manifest and kept in the cache; a registry that is here is used in
    place. Manifests of versions that will not change any more are kept in memory.
    """

    cachable = True
    root_marker = ""
    async_impl = False
    protocol: ClassVar[str]
    service: ClassVar[_Service]

    def __init__(
        self,
        endpoint: str | None = None,
        registry: _Path | None = None,
        cache: _Path | None = None,
        offline: bool | None = None,
        ranges: Literal["auto", "never"] = "auto",
        **options: Any,
    ) -> None:
        """Name a registry; nothing is asked of anybody.

        Args:
            endpoint: URL of the service, as for ``selenite.open``.
            registry: Directory of the registry, as for ``selenite.open``.
            cache: Directory for what comes from the service, as for ``selenite.open``.
            offline: Whether requests of this filesystem are forbidden; None for what
                ``selenite.configure`` or ``SELENITE_OFFLINE`` says.
            ranges: ``auto`` to ask for parts of files over 32 MiB alone, which cannot be compared
                with the manifest; ``never`` to fetch all files as a whole.
            **options: Those of fsspec.

        Raises:
            ValueError: If ``ranges`` is something else.
            TypeError: For ``url`` and ``token``, which other filesystems have.
        """
        # Else another registry than the one that is meant would be read, or a secret be shown.
        if "url" in options:
            raise TypeError("unknown option `url`: the URL of the service is `endpoint`")
        if "token" in options:
            raise TypeError("unknown option `token`: none is needed to read")
        if ranges not in ("auto", "never"):
            raise ValueError(f"invalid ranges `{ranges}`: expected `auto` or `never`")
        super().__init__(**options)
        found = place(self.service, endpoint, registry, cache)
        self._place = found._replace(offline=bool(offline))
        self._ranges = ranges
        self._versions: OrderedDict[str, Version] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Keep settings only."""
        state = dict(self.__dict__)
        del state["_lock"], state["_versions"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begin with no manifest."""
        self.__dict__.update(state)
        self._versions = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        text: str = stringify_path(path)
        scheme = f"{cls.protocol}:"
        _, chained, behind = text.rpartition(f"::{scheme}//")
        text = behind if chained else text.removeprefix(scheme)
        return text.strip("/")

    @staticmethod
    def _get_kwargs_from_urls(url: str) -> dict[str, Any]:
        return {}

    # What is where.

    def _parts(self, path: _Path) -> tuple[list[str], str]:
        """Divide a path into project, asset and version, and what is in the version."""
        text = self._strip_protocol(path)
        parts = _core.parse_address(f"{self.protocol}:{text}")
        names = [parts["project"], parts["asset"], parts["version"]]
        return [name for name in names if name is not None], parts["path"] or ""

    def _version(self, names: Sequence[str]) -> Version:
        key = "/".join(names)
        with self._lock:
            if key in self._versions:
                self._versions.move_to_end(key)
                return self._versions[key]
        version = Version(self._place, *names)
        if names[2] != LATEST and not version.on_probation:
            with self._lock:
                self._versions[key] = version
                while len(self._versions) > _MOST_MANIFESTS:
                    self._versions.popitem(last=False)
        return version

    def _file(self, path: _Path) -> tuple[Version, Entry]:
        names, inside = self._parts(path)
        if len(names) < _SEPARATE or not inside:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        version = self._version(names)
        entry = version.manifest.get(inside)
        if entry is not None and not entry.is_directory:
            return version, entry
        if entry is not None or version.manifest._table.children(inside) is not None:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise missing(self._place, tuple(names), inside, version.manifest)

    def _inside(self, names: tuple[str, ...]) -> list[str]:
        with asking(self._place, names):
            return _core.registry_names(self._place.native, "/".join(names) or None)

    @staticmethod
    def _directory(name: str) -> _Info:
        return {"name": name, "size": 0, "type": "directory"}

    @staticmethod
    def _described(version: Version, base: str, entry: Entry) -> _Info:
        return {
            "name": f"{base}/{entry.path}",
            "size": entry.size,
            "type": "directory" if entry.is_directory else "file",
            "md5sum": entry.md5sum,
            "link": entry.link,
            "created": version.uploaded,
        }

    # Reading directories.

    def ls(self, path: _Path, detail: bool = True, **kwargs: Any) -> list[Any]:
        """List what is in a directory, or a file by itself.

        Args:
            path: The directory or file.
            detail: Return dictionaries as of ``info``, not names.
            **kwargs: Accepted for fsspec.

        Returns:
            What is there, sorted by name.

        Raises:
            FileNotFoundError: If there is nothing at the path.
        """
        names, inside = self._parts(path)
        if len(names) < _SEPARATE:
            found = [
                self._directory("/".join([*names, name])) for name in self._inside(tuple(names))
            ]
        else:
            found = self._ls_version(names, inside)
        return found if detail else [one["name"] for one in found]

    def _ls_version(self, names: list[str], inside: str) -> list[_Info]:
        version = self._version(names)
        base = "/".join(names)
        children = version.manifest._table.children(inside)
        if children is None:
            return [self._described(version, base, self._file(f"{base}/{inside}")[1])]
        above = f"{base}/{inside}" if inside else base
        return [
            self._directory(f"{above}/{name}")
            if row is None
            else self._described(version, base, Entry(*row))
            for name, row, _ in children
        ]

    def info(self, path: _Path, **kwargs: Any) -> _Info:
        """Say what is at a path.

        Args:
            path: The path.
            **kwargs: Accepted for fsspec.

        Returns:
            A dictionary with ``name``, ``size`` and ``type``; of files also ``md5sum``, ``link``
            and ``created``.

        Raises:
            FileNotFoundError: If there is nothing.
        """
        names, inside = self._parts(path)
        whole = self._strip_protocol(path)
        if not names:
            return self._directory("")
        if len(names) < _SEPARATE:
            if names[-1] not in self._inside(tuple(names[:-1])):
                raise missing(self._place, tuple(names))
            return self._directory(whole)
        version = self._version(names)
        manifest = version.manifest
        if not inside:
            return self._directory(whole)
        entry = manifest.get(inside)
        if entry is not None:
            return self._described(version, "/".join(names), entry)
        if manifest._table.children(inside) is None:
            raise missing(self._place, tuple(names), inside, manifest)
        return self._directory(whole)

    def find(
        self,
        path: _Path,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **kwargs: Any,
    ) -> Any:
        """List all files below a path.

        Args:
            path: A directory, or a file.
            maxdepth: How many levels deep; None for all.
            withdirs: List directories, too.
            detail: Return a dictionary of names to dictionaries as of ``info``.
            **kwargs: Accepted for fsspec.

        Returns:
            The names, sorted, or the dictionary.
        """
        names, inside = self._parts(path)
        if len(names) < _SEPARATE or maxdepth is not None:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)
        try:
            found = self._find(names, inside, withdirs)
        except FileNotFoundError:
            # As of other filesystems.
            found = {}
        return found if detail else list(found)

    def _find(self, names: list[str], inside: str, withdirs: bool) -> dict[str, _Info]:
        version = self._version(names)
        base = "/".join(names)
        if version.manifest._table.children(inside) is None:
            info = self._described(version, base, self._file(f"{base}/{inside}")[1])
            return {info["name"]: info}
        found: dict[str, _Info] = {}
        if withdirs:
            top = f"{base}/{inside}" if inside else base
            found[top] = self._directory(top)
        for entry in version.manifest.entries(inside):
            info = self._described(version, base, entry)
            folder = info["name"].rpartition("/")[0]
            while withdirs and folder not in found:
                found[folder] = self._directory(folder)
                folder = folder.rpartition("/")[0]
            if withdirs or info["type"] == "file":
                found[info["name"]] = info
        return dict(sorted(found.items()))

    def ukey(self, path: _Path) -> str:
        """Return what changes whenever the file does: its MD5 digest."""
        return self._file(path)[1].md5sum

    def checksum(self, path: _Path) -> int:
        """Return the MD5 digest of a file as a number."""
        return int(self.ukey(path), 16)

    def created(self, path: _Path) -> datetime | None:
        """Return when the version of a file was uploaded."""
        return self._file(path)[0].uploaded

    def modified(self, path: _Path) -> datetime | None:
        """Return the same: files never change."""
        return self.created(path)

    def invalidate_cache(self, path: _Path | None = None) -> None:
        """Forget the manifests that are in memory.

        Args:
            path: What to look up again; None for all.
        """
        with self._lock:
            if path is None:
                self._versions.clear()
            else:
                self._versions.pop("/".join(self._parts(path)[0]), None)
        super().invalidate_cache(path)

    # Reading files.

    def local_file(self, path: _Path) -> str:
        """Make sure that a file can be read here, fetched and verified if need be.

        Args:
            path: The file.

        Returns:
            Where it is: in the cache, or in the registry. Do not change it.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        version, entry = self._file(path)
        return str(version.path(entry.path))

    def _is_in_parts(self, version: Version, entry: Entry) -> bool:
        """Say whether parts of a file are asked for alone."""
        if self._ranges == "never" or entry.size <= _RANGE_BYTES:
            return False
        here = _core.registry_file(
            self._place.native, version._path(), version.manifest._table, entry.path
        )
        return here is None

    def _open(
        self,
        path: _Path,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        **kwargs: Any,
    ) -> Any:
        if mode != "rb":
            _refuse(path)
        version, entry = self._file(path)
        # The manifest knows better than whoever asks.
        kwargs.pop("size", None)
        if self._is_in_parts(version, entry):
            return _RangeFile(
                self,
                self._strip_protocol(path),
                block_size=block_size or "default",
                cache_options=cache_options,
                size=entry.size,
                **kwargs,
            )
        return _LocalFile(str(version.path(entry.path)), self._strip_protocol(path))

    def cat_file(
        self,
        path: _Path,
        start: int | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> bytes:
        """Read a file, or a part of it.

        Args:
            path: The file.
            start: First byte; negative numbers count from the end.
            end: The byte behind the last one.
            **kwargs: Accepted for fsspec.

        Returns:
            The content.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        version, entry = self._file(path)
        begin, stop, _ = slice(start, end).indices(entry.size)
        is_part = (begin, stop) != (0, entry.size)
        if is_part and self._is_in_parts(version, entry):
            return version.read_ranges(entry.path, [(begin, max(begin, stop))])[0]
        with version.open(entry.path) as file:
            file.seek(begin)
            return file.read(max(stop - begin, 0))

    def cat_ranges(
        self,
        paths: list[_Path],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> list[Any]:
        """Read parts of files: eight at once, those near to each other together.

        Args:
            paths: A file for each part.
            starts: First byte of each part, or of all.
            ends: The byte behind the last one of each part, or of all.
            max_gap: Accepted for fsspec; parts with less than 64 KiB between them go together.
            on_error: ``return`` to have failures among the results, else they are raised.
            **kwargs: Accepted for fsspec.

        Returns:
            The parts.
        """
        if not isinstance(paths, list):
            raise TypeError(f"`paths` should be a list, not {paths!r:.80}")
        starts = starts if isinstance(starts, (list, tuple)) else [starts] * len(paths)
        ends = ends if isinstance(ends, (list, tuple)) else [ends] * len(paths)
        if not len(starts) == len(ends) == len(paths):
            raise ValueError("`paths`, `starts` and `ends` should be of the same length")
        by_path: dict[str, list[int]] = {}
        for number, path in enumerate(paths):
            by_path.setdefault(self._strip_protocol(path), []).append(number)
        parts: list[Any] = [None] * len(paths)
        for path, numbers in by_path.items():
            wanted = [(starts[number], ends[number]) for number in numbers]
            try:
                found: list[Any] = self._parts_of(path, wanted)
            except Exception as error:
                if on_error != "return":
                    raise
                found = [error] * len(numbers)
            for number, part in zip(numbers, found, strict=True):
                parts[number] = part
        return parts

    def _parts_of(self, path: str, wanted: list[tuple[int | None, int | None]]) -> list[bytes]:
        version, entry = self._file(path)
        bounds = [slice(start, end).indices(entry.size)[:2] for start, end in wanted]
        ranges = [(begin, max(begin, stop)) for begin, stop in bounds]
        if self._is_in_parts(version, entry):
            return version.read_ranges(entry.path, ranges)
        parts = []
        with version.open(entry.path) as file:
            for begin, stop in ranges:
                file.seek(begin)
                parts.append(file.read(stop - begin))
        return parts

    def get_file(
        self,
        rpath: _Path,
        lpath: Any,
        callback: Any = DEFAULT_CALLBACK,
        outfile: Any = None,
        **kwargs: Any,
    ) -> None:
        """Copy a file to this machine, or make a directory for one of the registry.

        Args:
            rpath: The file or directory.
            lpath: Where to, or an open file.
            callback: What is told of the progress.
            outfile: An open file, in place of ``lpath``.
            **kwargs: Accepted for fsspec.

        Raises:
            FileNotFoundError: If there is nothing at the path.
        """
        import shutil

        if hasattr(lpath, "write"):
            outfile = lpath
        if outfile is None and self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        version, entry = self._file(rpath)
        callback.set_size(entry.size)
        if outfile is not None:
            with version.open(entry.path) as file:
                shutil.copyfileobj(file, outfile)
        else:
            target = Path(lpath).absolute()
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(version.path(entry.path), target)
        callback.relative_update(entry.size)

    # Changes, which there are none of.

    def mkdir(self, path: _Path, create_parents: bool = True, **kwargs: Any) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)

    def makedirs(self, path: _Path, exist_ok: bool = False) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)

    def rmdir(self, path: _Path) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)

    def rm_file(self, path: _Path) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)

    def _rm(self, path: _Path) -> NoReturn:
        _refuse(path)

    def cp_file(self, path1: _Path, path2: _Path, **kwargs: Any) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path2)

    def put_file(self, lpath: _Path, rpath: _Path, **kwargs: Any) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(rpath)

    def pipe_file(
        self, path: _Path, value: bytes, mode: str = "overwrite", **kwargs: Any
    ) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)

    def touch(self, path: _Path, truncate: bool = True, **kwargs: Any) -> NoReturn:
        """Refuse: registries are changed by uploads."""
        _refuse(path)


def _refuse(path: object) -> NoReturn:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


class _LocalFile(LocalFileOpener):  # type: ignore[misc] # fsspec has no types
    """A file that is here. Its path is that in the registry, as caches of fsspec look for it."""

    path: str

    def __init__(self, here: str, path: str) -> None:
        self._here = here
        super().__init__(path, "rb", fs=LocalFileSystem())

    @property
    def closed(self) -> bool:
        return bool(self.f.closed)

    @closed.setter
    def closed(self, is_closed: bool) -> None:
        """Take what caches of fsspec set, which is so anyway."""

    def _open(self) -> None:
        path, self.path = self.path, self._here
        try:
            super()._open()
        finally:
            self.path = path


class _RangeFile(AbstractBufferedFile):  # type: ignore[misc] # fsspec has no types
    """A file of which parts are asked for as they are read."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        version, entry = self.fs._file(self.path)
        part: bytes = version.read_ranges(entry.path, [(start, min(end, entry.size))])[0]
        return part


class GobblerFileSystem(_RegistryFileSystem):
    r"""A Gobbler's registry as a filesystem: ``gobbler://project/asset/version/path``.

    Example:
        >>> import fsspec
        >>> with fsspec.open("gobbler://demo/rna/v1/a.txt", registry=registry) as file:
        ...     file.read()
        b'first words\n'
    """

    protocol = "gobbler"
    service = "gobbler"


class GypsumFileSystem(_RegistryFileSystem):
    """A gypsum registry as a filesystem: ``gypsum://project/asset/version/path``."""

    protocol = "gypsum"
    service = "gypsum"
