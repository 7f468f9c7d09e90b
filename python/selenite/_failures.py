"""The core's exceptions as those of selenite's own functions, which say what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenite import _core, _exceptions
from selenite._translating import Translating

if TYPE_CHECKING:
    from collections.abc import Iterable

    from selenite._place import Place

_OTHER_TOKEN = "give another token: `selenite auth login`, GYPSUM_TOKEN or GYPSUM_TOKEN_FILE"
_LEVELS = ("project", "asset", "version")


def address_of(place: Place, *names: str) -> str:
    """Write the short address of something in a registry.

    Args:
        place: The registry.
        *names: Project, asset, version and path, as far as they are meant.

    Returns:
        The address.
    """
    return f"{place.service}:" + "/".join(names)


class asking(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Say what was asked for, in place of how."""

    def __init__(self, place: Place, names: tuple[str, ...] = (), path: str | None = None) -> None:
        """Name what is asked for.

        Args:
            place: The registry.
            names: Project, asset and version, as far as they matter.
            path: What is in the version, if that matters.
        """
        self._place = place
        self._names = names
        self._path = path

    def _translate(self, error: BaseException) -> Exception | None:
        address = address_of(self._place, *self._names, *([self._path] if self._path else []))
        if isinstance(error, _exceptions.NotFoundError | _exceptions.OfflineError):
            return None
        if isinstance(error, _exceptions.StatusError):
            if error.status == 404:
                return missing(self._place, self._names, self._path)
            if error.status in (401, 403):
                is_gypsum = self._place.service == "gypsum"
                return _exceptions.PermissionDeniedError(
                    f"{self._place.title} at {self._place.shown} refuses {address}: {error.reason}",
                    address=address,
                    url=error.url,
                    status=error.status,
                    reason=error.reason,
                    hint=_OTHER_TOKEN if error.status == 401 and is_gypsum else None,
                )
        if isinstance(error, _exceptions.TransportError):
            if self._place.offline or _core.is_offline():
                return _exceptions.OfflineError(
                    f"{address} is not in the cache, and the network is switched off",
                    address=address,
                    url=error.url,
                    hint="unset SELENITE_OFFLINE, or fetch it before",
                )
            error.address = address
            error.hint = "is it running? Or set `endpoint`, or " + (
                "GOBBLER_URL" if self._place.service == "gobbler" else "GYPSUM_REST_URL"
            )
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return missing(self._place, self._names, self._path)
        if isinstance(error, _exceptions.SeleniteError) and error.address is None:
            error.address = address
        return None


def missing(
    place: Place,
    names: tuple[str, ...],
    path: str | None = None,
    known: Iterable[str] = (),
) -> _exceptions.NotFoundError:
    """Make the exception for what is not there, by finding out which part of it is not.

    Args:
        place: The registry.
        names: Project, asset and version, as far as they are meant.
        path: What was looked for in the version.
        known: What else the version has.

    Returns:
        The exception.
    """
    for level in range(len(names)):
        try:
            found = _core.registry_names(place.native, "/".join(names[:level]) or None)
        except (OSError, _exceptions.SeleniteError):
            # What keeps us from looking is no better news.
            found = None
        if found is not None and names[level] not in found:
            return _not_found(place, _LEVELS[level], names[level], names[:level], found)
    what, name, inside = (
        ("file", path, names)
        if path is not None
        else (_LEVELS[len(names) - 1], names[-1], names[:-1])
    )
    return _not_found(place, what, name, inside, list(known))


def _not_found(
    place: Place, what: str, name: str, inside: tuple[str, ...], known: list[str]
) -> _exceptions.NotFoundError:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    where = address_of(place, *inside) if inside else f"{place.title} at {place.shown}"
    hint = f"did you mean `{near[0]}`?" if near else None
    if hint is None and what == "version":
        latest = _latest(place, inside)
        hint = f"latest is `{latest}`" if latest else None
    return _exceptions.NotFoundError(
        f"no {what} `{name}` in {where}",
        address=address_of(place, *inside, name),
        url=place.endpoint and place.shown,
        status=404,
        reason=f"no such {what}",
        hint=hint,
    )


def _latest(place: Place, asset: tuple[str, ...]) -> str | None:
    try:
        found = _core.registry_document(place.native, "/".join([*asset, "..latest"]))
    except (OSError, ValueError, _exceptions.SeleniteError):
        # It is only a hint.
        return None
    return str(found["version"]) if isinstance(found, dict) and "version" in found else None
