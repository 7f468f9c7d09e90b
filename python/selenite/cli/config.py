"""``selenite config``: settings, where they come from, and profiles."""

from __future__ import annotations

import os

import click

from selenite.cli import _profiles
from selenite.cli._common import LazyGroup, Options, argument, command
from selenite.cli._errors import NOT_FOUND, USAGE, CommandError, close_to
from selenite.cli._output import Output, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Variables of the core with their defaults, in the order of `docs/getting-started.md`.
VARIABLES = {
    "jobs": ("SELENITE_JOBS", "by the machine"),
    "timeout": ("SELENITE_TIMEOUT", "60"),
    "connect-timeout": ("SELENITE_CONNECT_TIMEOUT", "10"),
    "retries": ("SELENITE_RETRIES", "4"),
    "verify": ("SELENITE_VERIFY", "download"),
    "ca-bundle": ("SELENITE_CA_BUNDLE", "by the system"),
    "offline": ("SELENITE_OFFLINE", "0"),
    "progress": ("SELENITE_PROGRESS", "auto"),
    "log": ("SELENITE_LOG", "off"),
    "digest": ("SELENITE_DIGEST", "the best"),
    "dropin": ("SELENITE_DROPIN", ""),
    "gobbler-binary": ("SELENITE_GOBBLER_BINARY", "embedded"),
}
_OPTIONS = {"jobs", "timeout", "retries", "ca-bundle", "offline", "progress"}

config = LazyGroup(
    "config",
    "Show settings and where they come from; change profiles.",
    {
        "get": ("selenite.cli.config:get", "Print one setting."),
        "list": ("selenite.cli.config:list_all", "List all settings."),
        "path": ("selenite.cli.config:path", "Print where selenite.toml is."),
        "set": ("selenite.cli.config:set_one", "Set a key of a profile."),
        "unset": ("selenite.cli.config:unset", "Take a key out of a profile."),
    },
)


def settings(options: Options) -> Iterator[dict[str, str | None]]:
    """Find every setting, its value, and what says so."""
    for service in _profiles.SERVICES:
        found = _profiles.settle(service, _of(service, options))
        for key, variables in _profiles.KEYS.items():
            if service in variables:
                one = found.get(key)
                value, source = (one.value, one.source) if one else (None, "default")
                yield {"key": f"{service}.{key}", "value": value, "source": source}
    for key, (variable, default) in VARIABLES.items():
        given = options.given.get(key.replace("-", "_"))
        value = os.environ.get(variable, "").strip()
        if given is not None and key in _OPTIONS:
            yield {"key": key, "value": value, "source": f"--{key}"}
        elif key == "jobs" and value and str(_profiles.loaded().jobs) == value:
            yield {"key": key, "value": value, "source": "selenite.toml"}
        elif value:
            yield {"key": key, "value": value, "source": variable}
        else:
            yield {"key": key, "value": default or None, "source": "default"}


def _of(service: str, options: Options) -> dict[str, object]:
    """Give the options without a profile that is of another service."""
    given = dict(options.given)
    profile = _profiles.loaded().profiles.get(given.get("profile", ""))
    if profile is not None and profile["service"] != service:
        del given["profile"]
    return given


@command("list", examples=("selenite config list", "selenite config list --profile lab"))
def list_all(options: Options) -> None:
    """List all settings with their values and where these come from."""
    output = Output(options)
    if output.is_human:
        rows = [(one["key"], one["value"] or "-", one["source"]) for one in settings(options)]
        header = ("KEY", "VALUE", "SOURCE") if output.has_header else ()
        for line in table(rows, (), header):  # type: ignore[arg-type]
            output.write(line)
        return
    output.items(settings(options), str, lambda one: str(one["key"]))


@command("get", argument("key"), examples=("selenite config get gobbler.url",))
def get(options: Options, key: str) -> None:
    """Print the value of one setting."""
    found = {str(one["key"]): one for one in settings(options)}
    if key not in found:
        close = close_to(key, found)
        raise CommandError(
            NOT_FOUND, f"no setting `{key}`", f"did you mean `{close[0]}`?" if close else None
        )
    value = found[key]["value"]
    Output(options).facts(found[key], [value] if value is not None else [], value)


@command("path")
def path(options: Options) -> None:
    """Print where `selenite.toml` is, or would be."""
    place = str(_profiles.path())
    Output(options).facts({"path": place}, [place], place)


@command(
    "set",
    argument("key"),
    argument("value"),
    examples=(
        "selenite config set service gobbler --profile lab",
        "selenite config set url http://gobbler.lab:8080 --profile lab",
        "selenite config set default lab",
        "selenite config set transfer.jobs 8",
    ),
)
def set_one(options: Options, key: str, value: str) -> None:
    """Set a key of the profile that `--profile` names; `default` and `transfer.jobs` have none.

    A profile begins with its `service`.
    """
    section, name = _place(options, key)
    if name == "jobs":
        if not value.isdecimal():
            raise click.UsageError("`transfer.jobs` is a whole number above 0")
        _profiles.change(section, name, int(value))
    else:
        _profiles.change(section, name, value)


@command("unset", argument("key"), examples=("selenite config unset url --profile lab",))
def unset(options: Options, key: str) -> None:
    """Take a key out of the profile that `--profile` names."""
    section, name = _place(options, key)
    _profiles.change(section, name, None)


def _place(options: Options, key: str) -> tuple[str | None, str]:
    if key == "default":
        return None, key
    if key == "transfer.jobs":
        return "transfer", "jobs"
    known = ("service", *_profiles.KEYS)
    if key not in known:
        close = close_to(key, (*known, "default", "transfer.jobs"))
        raise CommandError(
            USAGE, f"no key `{key}`", f"did you mean `{close[0]}`?" if close else None
        )
    profile = options.given.get("profile") or _profiles.loaded().default
    if not profile:
        raise CommandError(USAGE, f"`{key}` is of a profile", "name one by `--profile`")
    return f"profile.{profile}", key
