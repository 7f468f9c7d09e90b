"""What an address means: the object of selenite's own that stands for it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from selenite import _core, _settings
from selenite._exceptions import StatusError, TransportError
from selenite._place import Place, place
from selenite._registry import LATEST, Asset, Project, Registry, Version
from selenite.cli import _profiles
from selenite.cli._errors import (
    FAILED,
    NOT_FOUND,
    OFFLINE,
    UNREACHABLE,
    USAGE,
    CommandError,
    close_to,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from selenite._manifest import Entry, Manifest
    from selenite.cli._common import Options

_VARIABLES = {"gobbler": "GOBBLER_URL", "gypsum": "GYPSUM_REST_URL"}
# Services that were asked who they are, by this process.
_known: set[Place] = set()


@dataclass(frozen=True)
class Target:
    """An address that was parsed.

    Attributes:
        text: As it was given.
        scheme: ``gobbler``, ``gypsum`` or ``girder``; None for a path of this system.
        names: Project, asset and version, as far as they are named.
        path: What is in the version.
        is_folder: Whether it must be a folder.
    """

    text: str
    scheme: str | None
    names: tuple[str, ...]
    path: str | None
    is_folder: bool

    @property
    def short(self) -> str:
        """The address for people."""
        return f"{self.scheme}:{'/'.join([*self.names, *([self.path] if self.path else [])])}"


def parse(text: str) -> Target:
    """Parse an address, or a path of this system.

    Raises:
        InvalidArgumentError: If a part of it is wrong.
    """
    try:
        found = _core.parse_address(text)
    except UnicodeEncodeError:
        raise CommandError(USAGE, f"invalid address {text!a}: it is not valid UTF-8") from None
    names = [found["project"], found["asset"], found["version"]]
    known = tuple(name for name in names if name is not None)
    return Target(text, found["scheme"], known, found["path"], found["is_folder"])


def registry(text: str, options: Options, *, least: int = 0) -> Target:
    """Parse an address of a registry, and note that the command is about it.

    Args:
        text: The address.
        options: Options of the command.
        least: How many names it must have at least.
    """
    target = parse(text)
    if target.scheme not in _profiles.SERVICES:
        hint = "addresses begin with `gobbler:` or `gypsum:`"
        raise CommandError(USAGE, f"`{text}` is no address of a registry", hint)
    if len(target.names) < least:
        what = ("a project", "an asset", "a version")[least - 1]
        message = f"`{text}` names no {what.split()[1]}, but {what} is needed"
        below = ("projects", "assets", "versions")[len(target.names)]
        raise CommandError(USAGE, message, f"`selenite ls {target.short}` lists {below}")
    options.address = target.short
    return target


def place_for(service: str, options: Options, *, asks: bool = True) -> Place:
    """Find out where a registry is, and make sure that it is one of that kind.

    Args:
        service: ``gobbler`` or ``gypsum``.
        options: Options of the command.
        asks: Whether the service itself is needed, and not only its registry.
    """
    found = {key: one.value for key, one in _profiles.settle(service, options.given).items()}
    where = place(
        service,  # type: ignore[arg-type]
        found.get("url"),
        found.get("registry"),
        found.get("cache"),
        found.get("staging"),
    )
    is_here = where.registry is not None and os.path.isdir(where.registry)  # noqa: PTH112
    if where.endpoint is None:
        if is_here and not asks:
            return where
        variable = _VARIABLES[service]
        hint = f"set --url or {variable}, or a profile by `selenite config set`"
        raise CommandError(USAGE, f"nobody has said where {where.title} is", hint)
    if (not is_here or asks) and not _core.is_offline():
        _reach(where)
    return where


def _reach(where: Place) -> None:
    """Ask a service once who it is: of another kind, answers would be taken for something else."""
    if where in _known:
        return
    assert where.endpoint is not None
    began = time.monotonic()
    try:
        kind = _kind_of(where.endpoint, where.native[4])
    except TransportError as error:
        seconds, tries = time.monotonic() - began, _settings.retries() + 1
        counted = f"{tries} {'try' if tries == 1 else 'tries'} in {seconds:.1f} s"
        raise CommandError(
            UNREACHABLE,
            f"cannot reach {where.title} at {where.shown}: {_reason(error)} ({counted})",
            f"is it running? `selenite doctor`; or set --url / {_VARIABLES[where.service]}",
            url=error.url,
        ) from error
    if kind is not None and kind != where.service:
        other = {"gobbler": "as a Gobbler", "gypsum": "as gypsum"}[kind]
        wanted = {"gobbler": "as a Gobbler", "gypsum": "as gypsum"}[where.service]
        raise CommandError(FAILED, f"{where.shown} answers {other}, not {wanted}", url=where.shown)
    _known.add(where)


def _kind_of(url: str, verify: Any) -> str | None:  # noqa: ANN401 (as requests has it)
    """Say which kind of service answers; None if that is not clear."""
    site = (url, verify)
    try:
        found = _core.gypsum_request(site, "GET", "info", [], None, "", None)[1]
    except StatusError as error:
        return "gypsum" if error.status == 404 else None
    except ValueError:
        return None  # no JSON: it is left to what is wanted of it
    is_gobbler = isinstance(found, dict) and {"staging", "registry"} <= set(found)
    return "gobbler" if is_gobbler else None


def _reason(error: TransportError) -> str:
    import errno

    if error.errno == errno.ECONNREFUSED:
        return "connection refused"
    text = str(error)
    return text.partition(" failed: ")[2] or text


def version_of(target: Target, options: Options) -> Version:
    """Name the version of an address; an asset's address means its latest one.

    Args:
        target: The address.
        options: Options of the command.
    """
    where = place_for(str(target.scheme), options, asks=False)
    names = (*target.names, LATEST)[:3]
    if len(names) < 3:
        raise CommandError(USAGE, f"`{target.text}` names no asset, but an asset is needed")
    found = Version(where, *names)
    options.address = _short(found, target.path)
    return found


def _short(version: Version, path: str | None) -> str:
    """Give the resolved address of a version, or of something in it."""
    return "/".join([version.address, *([path] if path else [])])


def level_of(target: Target, options: Options) -> Registry | Project | Asset:
    """Name what is above versions.

    Args:
        target: The address of a registry, a project or an asset.
        options: Options of the command.
    """
    where = place_for(str(target.scheme), options, asks=False)
    kinds: Sequence[Any] = (Registry, Project, Asset)
    found: Registry | Project | Asset = kinds[len(target.names)](where, *target.names)
    return found


def entries_of(manifest: Manifest, target: Target) -> Iterator[Entry]:
    """Iterate over the files that an address means: of a version, a folder in it, or one file.

    Args:
        manifest: The manifest of the version.
        target: The address.

    Raises:
        CommandError: If there is no such file or folder.
    """
    if target.path is None:
        return manifest.entries()
    entry = manifest.get(target.path)
    if entry is not None and not entry.is_directory:
        if target.is_folder:
            raise CommandError(
                NOT_FOUND, f"`{target.path}` is a file, and no folder", address=target.short
            )
        return iter([entry])
    begin, end = manifest._table.below(target.path)
    if begin == end and entry is None:
        raise no_file(manifest, target)
    return manifest.entries(target.path)


def file_of(manifest: Manifest, target: Target) -> Entry:
    """Find the file that an address means.

    Args:
        manifest: The manifest of the version.
        target: The address, with a path.

    Raises:
        CommandError: If there is no such file.
    """
    assert target.path is not None
    entry = manifest.get(target.path)
    if entry is not None and not entry.is_directory:
        entries_of(manifest, target)  # says what is wrong with it
        return entry
    begin, end = manifest._table.below(target.path)
    if begin == end and entry is None:
        raise no_file(manifest, target)
    hint = f"`selenite ls {target.short}` lists its files"
    message = f"`{target.path}` is a folder, and no file"
    raise CommandError(NOT_FOUND, message, hint, address=target.short)


def no_file(manifest: Manifest, target: Target) -> CommandError:
    """Say that there is no such file, and which one may be meant."""
    assert target.path is not None
    inside = manifest.address.replace("://", ":", 1)
    close = close_to(target.path, manifest)
    return CommandError(
        3,
        f"no file `{target.path}` in {inside}",
        f"did you mean `{close[0]}`?" if close else None,
        address=f"{manifest.address}/{target.path}",
        status=404,
    )


def wanted(manifest: Manifest, include: tuple[str, ...], exclude: tuple[str, ...]) -> Manifest:
    """Choose files by the patterns of the command line.

    Args:
        manifest: All files.
        include: Patterns of those that are wanted; none for all.
        exclude: Patterns of those that are not.
    """
    return manifest.filter(list(include) or None, list(exclude) or None)


__all__ = ["OFFLINE", "Target", "entries_of", "level_of", "parse", "version_of"]
