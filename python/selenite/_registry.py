"""Registries, and what is in them, as objects."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from selenite import _core, _latest
from selenite._arguments import check_kind, path_text
from selenite._display import count_text, plain, size_text, table
from selenite._exceptions import InvalidArgumentError, OfflineError, SeleniteError
from selenite._failures import address_of, asking, missing
from selenite._manifest import Check, Entry, Manifest
from selenite._place import Place, place

if TYPE_CHECKING:
    from datetime import datetime

    from selenite._core import Summary
    from selenite._place import _Service

    _Path = str | os.PathLike[str]
    _Patterns = str | Iterable[str]

LATEST = "@latest"
_SERVICES = ("gobbler", "gypsum")

_T = TypeVar("_T")


def open(
    address: str,
    *,
    endpoint: str | None = None,
    registry: _Path | None = None,
    cache: _Path | None = None,
) -> Version:
    r"""Name a version of a registry. Nothing is asked of anybody before something is wanted of it.

    Args:
        address: ``gobbler:project/asset/version`` or ``gypsum:project/asset/version``, also with
            ``//`` behind the colon. Without a version, or with ``@latest``, it is the latest one,
            which is looked up once.
        endpoint: URL of the service. By default what ``selenite.configure`` says, else
            ``GOBBLER_URL``, or ``GYPSUM_REST_URL`` or the public gypsum.
        registry: Directory of the registry, which is read in place if it is here. By default what
            ``selenite.configure`` says, else ``GOBBLER_REGISTRY``.
        cache: Directory for what comes from the service. By default what ``selenite.configure``
            says, else ``GYPSUM_CACHE_DIR``, else that of the client of the service.

    Returns:
        The version.

    Raises:
        InvalidArgumentError: If the address is none of an asset or a version.

    Example:
        >>> import selenite
        >>> version = selenite.open("gobbler:demo/rna/v1", registry=registry)
        >>> version.read_bytes("a.txt")
        b'first words\n'
    """
    check_kind(address, str, "address", "a text")
    parts = _core.parse_address(address)
    service = parts["scheme"]
    if service not in ("gobbler", "gypsum"):
        raise _wrong(address, "it begins neither with `gobbler:` nor with `gypsum:`")
    project, asset = parts["project"], parts["asset"]
    if project is None or asset is None:
        raise _wrong(address, "it names no asset; `selenite.Registry` has what is above it")
    if parts["path"] is not None:
        raise _wrong(address, "it names a file; open its version, and ask that for the file")
    where = place(service, endpoint, registry, cache)
    return Version(where, project, asset, parts["version"] or LATEST)


def _wrong(address: str, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"invalid address `{address}`: {why}", "address", address)


class _Named:
    """What is at a place, by names. Immutable; equal if both are the same."""

    __slots__ = ("_names", "_place")

    _place: Place
    _names: tuple[str, ...]

    def __init__(self, where: Place, *names: str) -> None:
        self._place = where
        self._names = names

    @property
    def endpoint(self) -> str | None:
        """URL of the service, None if there is none."""
        return self._place.endpoint

    @property
    def service(self) -> _Service:
        """Which kind of registry it is: ``gobbler`` or ``gypsum``."""
        return self._place.service

    @property
    def address(self) -> str:
        """Its address, with all parts."""
        return f"{self._place.service}://" + "/".join(self._names)

    def __eq__(self, other: object) -> bool:
        """Say whether both are the same, by address and place."""
        if type(other) is not type(self):
            return NotImplemented
        return (self._place, self._names) == (other._place, other._names)

    def __hash__(self) -> int:
        """Hash address and place."""
        return hash((self._place, self._names))

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep settings and names, and nothing that was looked up."""
        return _again, (type(self), self._place, self._names)

    def __repr__(self) -> str:
        """Show the address."""
        address = f"{self._place.service}://" + "/".join(self._names)
        return f"{type(self).__name__}({plain(address)!r})"


def _again(kind: type[_Named], where: Place, names: tuple[str, ...]) -> _Named:
    return kind(where, *names)


class _Level(_Named, Mapping[str, _T]):
    """Names to what they name. Nothing is asked before it is needed."""

    __slots__ = ()

    _kind: type[Any]
    _level: str

    def __getitem__(self, name: str) -> _T:
        """Name what is inside; whether it is there, shows when something is wanted of it."""
        if not isinstance(name, str):
            raise KeyError(name)
        # The rules for names are those of addresses.
        names = (*self._names, name)
        parts = _core.parse_address(f"{self._place.service}:" + "/".join(names))
        if parts[self._level] != name:  # type: ignore[literal-required]
            raise KeyError(name)
        inner: _T = self._kind(self._place, *names)
        return inner

    def names(self) -> list[str]:
        """List the names inside, sorted.

        Returns:
            The names.

        Raises:
            NotFoundError: If this is not there itself.
            TransportError: If the service cannot be reached.
        """
        with asking(self._place, self._names):
            return _core.registry_names(self._place.native, "/".join(self._names) or None)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names inside, sorted."""
        return iter(self.names())

    def __len__(self) -> int:
        """Return how many there are inside."""
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        """Say whether there is such a one inside."""
        return name in self.names()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (as of `Mapping`)
        """Return what has a name, or the default if there is no such."""
        # Not what the check would have us write, which is this function itself.
        return self[name] if name in self else default  # noqa: SIM401

    def _document(self, name: str) -> Any:  # noqa: ANN401 (JSON)
        with asking(self._place, self._names):
            path = "/".join([*self._names, name])
            found = _core.registry_document(self._place.native, path)
        if found is None:
            raise missing(self._place, self._names, name)
        return found

    def _repr_html_(self) -> str | None:
        try:
            names = self.names()
        except (OSError, SeleniteError):
            return None  # notebooks show the short form then, and no traceback
        return table(self.address, (self._level,), ((name,) for name in names), len(names))


class Version(_Named):
    """A version of an asset. Its records are looked up when they are needed, and kept.

    Example:
        >>> import selenite
        >>> version = selenite.open("gobbler:demo/rna/v1", registry=registry)
        >>> version
        Version('gobbler://demo/rna/v1', ? files, ?)
        >>> version.manifest["a.txt"].size
        12
        >>> version
        Version('gobbler://demo/rna/v1', 2 files, 17 B)
    """

    __slots__ = ("_known", "_lock")

    def __init__(self, where: Place, project: str, asset: str, name: str) -> None:
        """Name a version; ``selenite.open`` does so for users."""
        super().__init__(where, project, asset, name)
        self._known: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def project(self) -> str:
        """Name of the project."""
        return self._names[0]

    @property
    def asset(self) -> str:
        """Name of the asset."""
        return self._names[1]

    @property
    def name(self) -> str:
        """Name of the version. The latest one is looked up."""
        name = self._names[2]
        if name != LATEST:
            return name
        found: str = self._once("name", self._latest)
        return found

    @property
    def address(self) -> str:
        """Its address, with all parts. The latest version is looked up."""
        return f"{self._place.service}://" + "/".join(self._resolved())

    def _latest(self) -> str:
        inside = (self.project, self.asset)
        try:
            with asking(self._place, inside):
                found = _core.registry_document(self._place.native, "/".join([*inside, "..latest"]))
        except OfflineError as error:
            known = _latest.known(self._place, *inside)
            if known is None:
                error.hint = _latest.way_out(self._place, *inside) or error.hint
                raise
            return known
        if found is None:
            absent = missing(self._place, inside)
            if absent.reason == "no such asset" and self.asset in Project(
                self._place, self.project
            ):
                absent = type(absent)(
                    f"{address_of(self._place, *inside)} has no latest version",
                    address=absent.address,
                    hint="all of its versions are on probation",
                )
            raise absent
        name = str(found["version"])
        _latest.remember(self._place, *inside, name)
        return name

    def _once(self, what: str, look: Any) -> Any:  # noqa: ANN401 (any of the records)
        if what not in self._known:
            found = look()
            # Whoever was first has set what all see.
            with self._lock:
                self._known.setdefault(what, found)
        return self._known[what]

    def _resolved(self) -> tuple[str, str, str]:
        return (self.project, self.asset, self.name)

    def _path(self) -> str:
        return "/".join(self._resolved())

    @property
    def summary(self) -> Summary:
        """Who uploaded it and when, as the registry has it.

        A dictionary with ``upload_user_id``, ``upload_start``, ``upload_finish`` (both in RFC 3339)
        and, if it is so, ``on_probation``.
        """
        found: Summary = self._once("summary", self._look_up_summary)
        return found.copy()

    def _look_up_summary(self) -> Any:  # noqa: ANN401 (JSON)
        names = self._resolved()
        with asking(self._place, names):
            path = "/".join([*names, "..summary"])
            found = _core.registry_document(self._place.native, path)
        if not isinstance(found, dict):
            raise missing(self._place, names)
        return found

    @property
    def on_probation(self) -> bool:
        """Whether it is still to be approved."""
        return self.summary.get("on_probation") is True

    @property
    def uploaded_by(self) -> str:
        """Who uploaded it."""
        return str(self.summary.get("upload_user_id", ""))

    @property
    def uploaded(self) -> datetime | None:
        """When its upload was finished, in UTC; None if it is not."""
        from datetime import UTC, datetime

        text = self.summary.get("upload_finish")
        if not text:
            return None
        return datetime.fromisoformat(text).astimezone(UTC)

    @property
    def manifest(self) -> Manifest:
        """Its files."""
        found: Manifest = self._once("manifest", self._look_up_manifest)
        return found

    def _look_up_manifest(self) -> Manifest:
        names = self._resolved()
        with asking(self._place, names):
            native = _core.registry_manifest(self._place.native, "/".join(names))
        return Manifest(native, self.address)

    def _entry(self, path: _Path) -> Entry:
        text = path_text(path, "path")
        found = self.manifest.get(text)
        if found is None or found.is_directory:
            raise missing(self._place, self._resolved(), text, self.manifest)
        return found

    def path(self, path: _Path | None = None, *, overwrite: bool = False) -> Path:
        """Make sure that the version, or a file of it, can be read here, and say where.

        Of a registry that is here, it is used in place. What comes from a service is compared with
        the manifest and kept in the cache. Change nothing there.

        Args:
            path: A file of the version; None for all of it.
            overwrite: Fetch again what is in the cache.

        Returns:
            The file, or the directory of the version.

        Raises:
            NotFoundError: If there is no such version or file.
            TransportError: If the service cannot be reached.
            OfflineError: If it is not in the cache, and requests are forbidden.
            DigestError: If content still differs from the manifest after some tries.
            InvalidArgumentError: If the registry of a gypsum service that is here only notes
                links, so that its directory is not the whole version: ``get`` makes one.
        """
        paths = None if path is None else [self._entry(path).path]
        return self._fetched(paths, overwrite)[0][0]

    def _fetched(self, paths: list[str] | None, overwrite: bool) -> tuple[list[Path], int]:
        """Fetch files, or all; give the places, and how many files have come from the service."""
        from selenite._progress import tracking

        names = self._resolved()
        files = None
        if paths is not None:
            origin = self.manifest._table.origin
            files = [(path, origin(path)) for path in paths]
        only = paths[0] if paths is not None and len(paths) == 1 else None
        with tracking("fetch", self.address) as progress, asking(self._place, names, only):
            found, received = _core.registry_fetch(
                self._place.native,
                "/".join(names),
                files,
                0,
                progress,
                overwrite=overwrite,
            )
        if paths is None:
            self._refuse_noted_links(found[0])
        return [Path(one) for one in found], received

    def _refuse_noted_links(self, found: str) -> None:
        """Fail where links are no files: only in a gypsum registry that is read in place."""
        registry = self._place.registry
        here = registry is not None and Path(found).is_relative_to(registry)
        if not (here and self._place.service == "gypsum" and self.manifest.links):
            return
        for entry in self.manifest.entries():
            if entry.link is not None and not os.path.lexists(Path(found, entry.path)):
                message = f"{self.address}: its links are only noted in `{found}`; use `get`"
                raise InvalidArgumentError(message, "path", "None")

    def open(self, path: _Path) -> BinaryIO:
        """Open a file for reading, fetched and verified if need be.

        Args:
            path: A file of the version.

        Returns:
            A binary file that can be sought in.

        Raises:
            NotFoundError: If there is no such file.
        """
        return self.path(path).open("rb")

    def read_bytes(self, path: _Path, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file, or a part of it.

        A part of what is not here is asked for alone. It cannot be compared with the manifest; only
        the size of the file is, and its digest where the server states it.

        Args:
            path: A file of the version.
            start: First byte; negative numbers count from the end.
            end: The byte behind the last one.

        Returns:
            The content.

        Raises:
            NotFoundError: If there is no such file.
            DigestError: If the file is not what the manifest says.
        """
        entry = self._entry(path)
        if start is None and end is None:
            return self.path(path).read_bytes()
        begin, stop, _ = slice(start, end).indices(entry.size)
        return self.read_ranges(path, [(begin, max(begin, stop))])[0]

    def read_ranges(self, path: _Path, ranges: list[tuple[int, int]]) -> list[bytes]:
        """Read parts of a file: eight at once, those near to each other together.

        Args:
            path: A file of the version.
            ranges: First byte of each part, and the byte behind its last one.

        Returns:
            The parts.

        Raises:
            NotFoundError: If there is no such file.
            DigestError: If the file is not what the manifest says.
        """
        entry = self._entry(path)
        names = self._resolved()
        with asking(self._place, names, entry.path):
            return _core.registry_ranges(
                self._place.native,
                "/".join(names),
                self.manifest._table,
                entry.path,
                ranges,
            )

    def get(
        self,
        dest: _Path,
        *,
        include: _Patterns | None = None,
        exclude: _Patterns | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Copy files of the version into a directory, whole or not at all, and verified.

        What is in the cache, or in a registry that is here, is copied; the rest is downloaded. What
        is in the directory and equal is kept.

        Args:
            dest: The directory, made if need be.
            include: Patterns of the files that are wanted, as for ``Manifest.filter``.
            exclude: Patterns of those that are not.
            overwrite: Replace files that are there and differ; empty ones are replaced in any case.

        Returns:
            The directory.

        Raises:
            NotFoundError: If there is no such version.
            FileExistsError: If a file is there and differs.
            DigestError: If content still differs from the manifest after some tries.
            OSError: If there is no room for the files; nothing was written then.
        """
        self._get(dest, include, exclude, overwrite)
        return Path(dest)

    def _get(
        self,
        dest: _Path,
        include: _Patterns | None,
        exclude: _Patterns | None,
        overwrite: bool,
    ) -> tuple[Manifest, tuple[int, int, int]]:
        from selenite._progress import tracking

        wanted = self.manifest.filter(include, exclude)
        _refuse_full(dest, wanted)
        names = self._resolved()
        with tracking("get", self.address) as progress, asking(self._place, names):
            counts = _core.registry_get(
                self._place.native,
                "/".join(names),
                wanted._table,
                dest,
                0,
                progress,
                overwrite=overwrite,
            )
        return wanted, counts

    def verify(
        self,
        directory: _Path | None = None,
        *,
        path: _Path | None = None,
        size_only: bool = False,
        find_extra: bool = False,
    ) -> Check:
        """Compare files that are here with the manifest.

        Args:
            directory: A directory that should be this version; by default the version in the
                registry that is here, or in the cache.
            path: Only this file or directory of the version; None for all of it.
            size_only: Compare sizes, and read no content.
            find_extra: Look for files that the manifest does not have, too.

        Returns:
            What was found; it is true if nothing is missing and nothing differs.

        Raises:
            NotFoundError: If there is no such version, or no such path in it.
            OSError: If a file cannot be read.

        Example:
            >>> import selenite
            >>> version = selenite.open("gobbler:demo/rna/v1", registry=registry)
            >>> version.verify()
            Check(2 ok, 0 missing, 0 differs, 0 extra)
        """
        with asking(self._place, self._resolved()):
            if directory is None:
                directory = _core.registry_folder(self._place.native, self._path())
            here = _core.registry_at_hand(self._place.native)
        manifest, part = self.manifest, None if path is None else path_text(path, "path")
        try:
            return manifest.check(
                directory, size_only=size_only, find_extra=find_extra, registry=here, part=part
            )
        except KeyError:
            raise missing(self._place, self._resolved(), part, manifest) from None

    def __repr__(self) -> str:
        """Show what is known: nothing is looked up for it."""
        manifest: Manifest | None = self._known.get("manifest")
        names = (*self._names[:2], self._known.get("name", self._names[2]))
        address = f"{self._place.service}://" + "/".join(names)
        if manifest is None:
            return f"Version({plain(address)!r}, ? files, ?)"
        files, size, _, _ = manifest._table.sums(0, len(manifest))
        return f"Version({plain(address)!r}, {count_text(files, 'file')}, {size_text(size)})"

    def __rich_repr__(self) -> Iterator[Any]:
        """Say what ``rich`` shows."""
        yield "/".join(self._names)
        manifest: Manifest | None = self._known.get("manifest")
        if manifest is not None:
            yield "files", manifest.files
            yield "size", size_text(manifest.total_bytes)

    def _repr_html_(self) -> str | None:
        try:
            return self.manifest._repr_html_()
        except (OSError, SeleniteError):
            return None  # notebooks show the short form then, and no traceback


def _refuse_full(dest: _Path, wanted: Manifest) -> None:
    """Fail if there is no room for files, before anything is written."""
    import errno
    import shutil

    here = Path(dest).absolute()
    while not here.exists() and here.parent != here:
        here = here.parent
    if here != Path(dest).absolute() and not here.is_dir():
        # Said here, where it is not taken for something that the registry lacks.
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(here))
    needed = sum(
        entry.size for entry in wanted.entries() if not os.path.lexists(Path(dest, entry.path))
    )
    free = shutil.disk_usage(here).free
    if needed > free:
        needs = f"needs {size_text(needed)}, {size_text(free)} free"
        raise OSError(errno.ENOSPC, f"no space in {os.fspath(dest)}: {needs}")


class Asset(_Level[Version]):
    """An asset: names of versions to versions."""

    __slots__ = ()
    _kind = Version
    _level = "version"

    @property
    def project(self) -> str:
        """Name of the project."""
        return self._names[0]

    @property
    def name(self) -> str:
        """Name of the asset."""
        return self._names[1]

    @property
    def latest(self) -> Version:
        """Its latest version, which is looked up when something is wanted of it."""
        return Version(self._place, self.project, self.name, LATEST)


class Project(_Level[Asset]):
    """A project: names of assets to assets."""

    __slots__ = ()
    _kind = Asset
    _level = "asset"

    @property
    def name(self) -> str:
        """Name of the project."""
        return self._names[0]

    @property
    def permissions(self) -> dict[str, Any]:
        """Who may change it, as the registry has it."""
        found: dict[str, Any] = self._document("..permissions")
        return found

    @property
    def usage(self) -> int:
        """Size of its files that are no links, in bytes."""
        return int(self._document("..usage")["total"])

    @property
    def quota(self) -> dict[str, Any]:
        """How much it may have, as the registry has it."""
        found: dict[str, Any] = self._document("..quota")
        return found


class Registry(_Level[Project]):
    """A registry: names of projects to projects.

    Args:
        service: ``"gobbler"`` or ``"gypsum"``.
        endpoint: URL of the service, as for ``selenite.open``.
        registry: Directory of the registry, as for ``selenite.open``.
        cache: Directory for what comes from the service, as for ``selenite.open``.

    Example:
        >>> import selenite
        >>> registry = selenite.Registry("gobbler", registry=registry)
        >>> list(registry), list(registry["demo"]["rna"])
        (['demo'], ['v1', 'v2'])
    """

    __slots__ = ()
    _kind = Project
    _level = "project"

    def __init__(
        self,
        service: _Service | Place,
        *,
        endpoint: str | None = None,
        registry: _Path | None = None,
        cache: _Path | None = None,
    ) -> None:
        """Name a registry."""
        if not isinstance(service, Place):
            if service not in _SERVICES:
                message = f"invalid service `{service}`: expected `gobbler` or `gypsum`"
                raise InvalidArgumentError(message, "service", str(service))
            service = place(service, endpoint, registry, cache)
        super().__init__(service)
