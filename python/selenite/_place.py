"""Where registries are: what a call says, what the program has configured, the environment."""

from __future__ import annotations

import os
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from selenite import _core
from selenite._arguments import check_kind
from selenite._gypsum import PUBLIC_URL, users_cache

if TYPE_CHECKING:
    from types import TracebackType

    _Path = str | os.PathLike[str]
    _Service = Literal["gobbler", "gypsum"]

#: What is wanted of all calls, by name.
_configured: dict[str, Any] = {}
_NAMES = ("endpoint", "registry", "staging", "cache", "jobs", "offline")


class Place(NamedTuple):
    """A registry: its settings and nothing else.

    Attributes:
        service: Which kind of registry.
        endpoint: URL of its service, None if there is none.
        registry: Its directory, which is read in place if it is here.
        cache: Directory for what comes from the service, None for the client's own.
        staging: Staging directory of a Gobbler.
        offline: Whether nobody is asked, whatever the environment says.
    """

    service: _Service
    endpoint: str | None = None
    registry: str | None = None
    cache: str | None = None
    staging: str | None = None
    offline: bool = False

    @property
    def native(self) -> tuple[str, str | None, str | None, str | None, bool, bool]:
        """The same as the core takes it."""
        return (self.service, self.endpoint, self.registry, self.cache, True, self.offline)

    @property
    def title(self) -> str:
        """What messages call the service."""
        return "the Gobbler" if self.service == "gobbler" else "gypsum"

    @property
    def shown(self) -> str:
        """Where it is, for messages: without a user or password."""
        if self.endpoint is None:
            return self.registry or "nowhere"
        scheme, found, rest = self.endpoint.partition("://")
        host, slash, path = rest.partition("/")
        return scheme + found + host.rpartition("@")[2] + slash + path


def place(
    service: _Service,
    endpoint: str | None = None,
    registry: _Path | None = None,
    cache: _Path | None = None,
    staging: _Path | None = None,
) -> Place:
    """Find out where a registry is. Nothing is asked of anybody.

    Args:
        service: Which kind of registry.
        endpoint: URL of its service. By default what is configured, else ``GOBBLER_URL``, or
            ``GYPSUM_REST_URL`` or the public gypsum.
        registry: Its directory. By default what is configured, else ``GOBBLER_REGISTRY``.
        cache: Directory for what comes from the service. By default what is configured, else
            ``GYPSUM_CACHE_DIR``, else that of the client of the service.
        staging: Staging directory of a Gobbler. By default what is configured, else
            ``GOBBLER_STAGING``.

    Returns:
        The place.
    """
    given = {"endpoint": endpoint, "registry": registry, "cache": cache, "staging": staging}
    found = {name: _first(name, value, service) for name, value in given.items()}
    if found["endpoint"] is None and found["registry"] is None and service == "gypsum":
        found["endpoint"] = PUBLIC_URL
    if found["cache"] is None and service == "gypsum":
        found["cache"] = users_cache()
    return Place(service, found["endpoint"], found["registry"], found["cache"], found["staging"])


_VARIABLES = {
    ("gobbler", "endpoint"): "GOBBLER_URL",
    ("gobbler", "registry"): "GOBBLER_REGISTRY",
    ("gobbler", "staging"): "GOBBLER_STAGING",
    ("gypsum", "endpoint"): "GYPSUM_REST_URL",
    ("gypsum", "cache"): "GYPSUM_CACHE_DIR",
}


def _first(name: str, value: str | os.PathLike[str] | None, service: str) -> str | None:
    if value is None:
        value = _configured.get(name)
    if isinstance(value, dict):
        value = value.get(service)
    if value is None:
        value = os.environ.get(_VARIABLES.get((service, name), "")) or None
    if value is None:
        return None
    from selenite._arguments import path_text

    text = path_text(value, name)
    if name == "endpoint":
        return text.strip().rstrip("/")
    from pathlib import Path

    # Not resolved: links may lead elsewhere on other machines.
    return str(Path(text).expanduser().absolute())


class _Unset:
    def __repr__(self) -> str:
        return "unchanged"


_UNSET = _Unset()


class configure:  # noqa: N801 -- it is called as a function, and may be used by `with`
    """Choose what later calls of selenite's own functions use, of all threads.

    What a call says itself comes first, then this, then the environment. In a ``with`` statement it
    holds until the block ends. The drop-in packages take their arguments from their callers, and
    only ``jobs`` and ``offline`` from here.

    Args:
        endpoint: URL of the service, or a dictionary with one for ``"gobbler"`` and one for
            ``"gypsum"``; None for what the environment says.
        registry: Directory of the registry, or such a dictionary; None for what the environment
            says.
        staging: Staging directory of the Gobbler.
        cache: Directory for what comes from services, or such a dictionary.
        jobs: The most processors and transfers at once.
        offline: Whether all requests are forbidden.

    Raises:
        InvalidArgumentError: If ``jobs`` is not above 0.

    Example:
        >>> import selenite
        >>> with selenite.configure(endpoint="http://localhost:8080", jobs=4):
        ...     version = selenite.open("gobbler:demo/rna/v1")
        >>> version.endpoint
        'http://localhost:8080'
    """

    def __init__(
        self,
        *,
        endpoint: str | dict[str, str] | _Unset | None = _UNSET,
        registry: _Path | dict[str, _Path] | _Unset | None = _UNSET,
        staging: _Path | _Unset | None = _UNSET,
        cache: _Path | dict[str, _Path] | _Unset | None = _UNSET,
        jobs: int | _Unset | None = _UNSET,
        offline: bool | _Unset | None = _UNSET,
    ) -> None:
        """Change what is given."""
        given = dict(zip(_NAMES, (endpoint, registry, staging, cache, jobs, offline), strict=True))
        wanted = {name: value for name, value in given.items() if not isinstance(value, _Unset)}
        if wanted.get("jobs") is not None:
            check_kind(jobs, Integral, "jobs", "a whole number")
        if wanted.get("offline") is not None:
            check_kind(offline, bool, "offline", "True or False")
        self._before = dict(_configured)
        _change({**_configured, **wanted})

    def __enter__(self) -> Self:
        """Do nothing more."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore what was there before."""
        _change(self._before)

    def __repr__(self) -> str:
        """Show what is configured now."""
        shown = ", ".join(f"{name}={value!r}" for name, value in _configured.items())
        return f"configure({shown})"


def _change(wanted: dict[str, Any]) -> None:
    _core.set_settings(wanted.get("jobs"), wanted.get("offline"))
    _configured.clear()
    _configured.update({name: value for name, value in wanted.items() if value is not None})
