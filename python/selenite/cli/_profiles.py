"""Profiles: where services are, written down once, in ``selenite.toml``.

Drop-in packages never read them.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from selenite.cli._errors import NOT_FOUND, USAGE, CommandError, close_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SERVICES = ("gobbler", "gypsum")
# What a profile may say, and the variables that say it for each service.
KEYS: dict[str, dict[str, str]] = {
    "url": {"gobbler": "GOBBLER_URL", "gypsum": "GYPSUM_REST_URL"},
    "registry": {"gobbler": "GOBBLER_REGISTRY", "gypsum": ""},
    "staging": {"gobbler": "GOBBLER_STAGING"},
    "cache": {"gobbler": "", "gypsum": "GYPSUM_CACHE_DIR"},
    "token-file": {"gypsum": "GYPSUM_TOKEN_FILE"},
}
_PATHS = ("registry", "staging", "cache", "token-file")
_PROFILE_KEYS = ("service", *KEYS)
_SECTION = re.compile(r"\s*\[\s*([^\]]+?)\s*\]\s*(?:#.*)?$")


@dataclass(frozen=True)
class Found:
    """The value of a setting.

    Attributes:
        value: What it is.
        source: What says so.
    """

    value: str
    source: str


@dataclass(frozen=True)
class Profiles:
    """What the file says.

    Attributes:
        default: The profile that is used where none is named.
        profiles: Profiles by name: texts by key.
        jobs: Transfers at once at most.
    """

    default: str | None = None
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    jobs: int | None = None


def path() -> Path:
    """Say where the file is: ``selenite/selenite.toml`` in the user's folder for settings."""
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/selenite/selenite.toml").expanduser()
    folder = os.environ.get("XDG_CONFIG_HOME", "").strip() or "~/.config"
    return Path(folder).expanduser() / "selenite" / "selenite.toml"


def loaded() -> Profiles:
    """Read the file; without one, nothing is said.

    Raises:
        CommandError: If it is no TOML, if a line of it means nothing, or if it holds a token.
    """
    place = path()
    try:
        return _parsed(place.read_text(encoding="utf-8"), place, place.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return Profiles()
    except UnicodeDecodeError:
        raise CommandError(USAGE, f"{place}: it is not UTF-8") from None


@lru_cache(maxsize=4)
def _parsed(text: str, place: Path, mode: int) -> Profiles:
    import tomllib

    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        raise CommandError(USAGE, f"{place}: {message[:1].lower()}{message[1:]}") from None
    checker = _Checker(text, place)
    checker.known(found, ("default", "profile", "transfer"), None)
    transfer = checker.section(found, "transfer")
    checker.known(transfer, ("jobs",), "transfer")
    jobs = transfer.get("jobs")
    if jobs is not None and (not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1):
        checker.complain("transfer", "jobs", "expected a whole number above 0")
    profiles = {}
    for name, given in checker.section(found, "profile").items():
        where = f"profile.{name}"
        if not isinstance(given, dict):
            checker.complain("profile", name, "expected a section")
        checker.known(given, (*_PROFILE_KEYS, "token"), where)
        for key, value in given.items():
            if not isinstance(value, str):
                checker.complain(where, key, "expected a text")
        if "token" in given:
            why = "others can read it" if mode & 0o077 else "a token belongs into a file of its own"
            checker.complain(where, "token", f"{why}; name one by `token-file`, with mode 600")
        if given.get("service") not in SERVICES:
            checker.complain(where, "service", "expected `gobbler` or `gypsum`")
        profiles[name] = given
    default = found.get("default")
    if default is not None and default not in profiles:
        checker.complain(None, "default", f"there is no profile `{default}`")
    return Profiles(default, profiles, jobs)


class _Checker:
    """Complains of lines of the file."""

    def __init__(self, text: str, place: Path) -> None:
        self._lines = text.splitlines()
        self._place = place

    def known(self, given: Mapping[str, object], keys: tuple[str, ...], where: str | None) -> None:
        for key in given:
            if key not in keys:
                close = close_to(key, keys)
                hint = f"did you mean `{close[0]}`?" if close else None
                self.complain(where, key, "there is no such key", hint)

    def section(self, found: Mapping[str, Any], name: str) -> dict[str, Any]:
        section = found.get(name, {})
        if not isinstance(section, dict):
            self.complain(None, name, "expected a section")
        return dict(section)

    def complain(self, where: str | None, key: str, why: str, hint: str | None = None) -> None:
        section = None
        number = 1
        for at, line in enumerate(self._lines, 1):
            header = _SECTION.match(line)
            if header:
                section = header[1].replace('"', "")
                if section == (f"{where}.{key}" if where else key):
                    number = at
                    break
                if section == where:
                    number = at
            elif section == where and _is_of(line, key):
                number = at
                break
        raise CommandError(USAGE, f"{self._place}, line {number}: `{key}`: {why}", hint)


def _is_of(line: str, key: str) -> bool:
    return re.match(rf"""\s*(["']?){re.escape(key)}\1\s*[=.]""", line) is not None


def settle(service: str, given: Mapping[str, Any]) -> dict[str, Found]:
    """Find out where a service is.

    Options come before the environment, and that before the profile: the one that is named, else
    the default if it is of this service, else the only one that is.

    Args:
        service: ``gobbler`` or ``gypsum``.
        given: Options by name.

    Returns:
        Values by key, without those that nobody has set.
    """
    name, profile = _chosen(service, given.get("profile"))
    found = {}
    for key, variables in KEYS.items():
        variable = variables.get(service)
        option = given.get(key)
        if option:
            found[key] = Found(str(option), f"--{key}")
        elif variable and os.environ.get(variable, "").strip():
            found[key] = Found(os.environ[variable].strip(), variable)
        elif profile.get(key):
            value = profile[key]
            if key in _PATHS:
                value = os.path.expanduser(value)  # noqa: PTH111 (text stays text)
            found[key] = Found(value, f"profile {name}")
    return found


def _chosen(service: str, wanted: str | None) -> tuple[str, Mapping[str, str]]:
    wanted = wanted or os.environ.get("SELENITE_PROFILE", "").strip() or None
    known = loaded()
    if wanted is not None:
        if wanted not in known.profiles:
            close = close_to(wanted, known.profiles)
            hint = f"did you mean `{close[0]}`?" if close else f"profiles are in {path()}"
            raise CommandError(NOT_FOUND, f"no profile `{wanted}`", hint)
        profile = known.profiles[wanted]
        if profile["service"] != service:
            raise CommandError(
                USAGE, f"profile `{wanted}` is of {profile['service']}, not {service}"
            )
        return wanted, profile
    own = {name: one for name, one in known.profiles.items() if one["service"] == service}
    if known.default in own:
        return str(known.default), own[str(known.default)]
    if len(own) == 1:
        return next(iter(own.items()))
    return "", {}


def change(section: str | None, key: str, value: str | int | None) -> None:
    """Set a key, or take it out, and leave the rest of the file as it is.

    Args:
        section: Name of the section, None for the top of the file.
        key: The key.
        value: Its new value, None to take it out.

    Raises:
        CommandError: If the file would not make sense; then it is not changed.
    """
    from selenite import _core

    place = path()
    try:
        text = place.read_text(encoding="utf-8")
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        text, mode = "", 0o100600
    changed = _changed(text.splitlines(), section, key, value)
    new = "".join(f"{line}\n" for line in changed)
    _parsed(new, place, mode)
    _core.store_private(place, new)


def _changed(lines: list[str], section: str | None, key: str, value: str | int | None) -> list[str]:
    begin = 0
    if section is not None:
        headers = [at for at, line in enumerate(lines) if _header_of(line) == section]
        if not headers:
            if value is None:
                return lines
            return [
                *lines,
                *([""] if lines else []),
                f"[{section}]",
                f"{key} = {json.dumps(value)}",
            ]
        begin = headers[0] + 1
    end = next((at for at in range(begin, len(lines)) if _header_of(lines[at])), len(lines))
    new = [] if value is None else [f"{key} = {json.dumps(value)}"]
    for at in range(begin, end):
        if _is_of(lines[at], key):
            return [*lines[:at], *new, *lines[at + 1 :]]
    while end > begin and not lines[end - 1].strip():
        end -= 1
    return [*lines[:end], *new, *lines[end:]]


def _header_of(line: str) -> str | None:
    found = _SECTION.match(line)
    return found[1].replace('"', "") if found else None
