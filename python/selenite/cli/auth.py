"""``selenite auth``: who one is for a gypsum service."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import click

from selenite.cli._common import LazyGroup, Options, command, flag, may_ask, option, place_of
from selenite.cli._errors import DENIED, CommandError
from selenite.cli._output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

auth = LazyGroup(
    "auth",
    "Log in to a gypsum service, or say who one is. A Gobbler knows users by their files.",
    {
        "login": ("selenite.cli.auth:login", "Keep a token."),
        "logout": ("selenite.cli.auth:logout", "Forget the token that is kept."),
        "status": ("selenite.cli.auth:status", "Say who one is, and until when."),
    },
)


def _cache(options: Options) -> str:
    """Say where the token is kept."""
    from gypsum_client import cache_directory

    return place_of("gypsum", options).cache or cache_directory()


@command(
    "login",
    flag("--with-token", help="Read the token from standard input."),
    option(
        "--token-file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Read the token from a file.",
    ),
    examples=("selenite auth login", "selenite auth login --with-token < token.txt"),
)
def login(options: Options, with_token: bool, token_file: str | None) -> None:
    """Keep a token of GitHub for the gypsum service, for this and later processes.

    Without an option a browser is opened to ask for one.
    """
    from gypsum_client import rest_url, set_access_token

    token = "auto"
    if token_file is not None:
        with open(token_file, encoding="utf-8") as file:  # noqa: PTH123
            token = file.read().strip()
    elif with_token:
        token = sys.stdin.read().strip()
    elif not may_ask():
        raise CommandError(DENIED, "nobody is here to log in", "give the token by `--with-token`")
    if not token or len(token.split()) != 1:
        raise click.UsageError("that is not one token")
    place = place_of("gypsum", options)
    found = set_access_token(token, app_url=place.url or rest_url(), cache_dir=_cache(options))
    assert found is not None
    facts = _facts(found, "the cache")
    Output(options).facts(facts, _lines(facts), facts["user"])


@command("logout", examples=("selenite auth logout",))
def logout(options: Options) -> None:
    """Forget the token that is kept."""
    from gypsum_client import set_access_token

    set_access_token(None, cache_dir=_cache(options))


@command("status", examples=("selenite auth status --json",))
def status(options: Options) -> None:
    """Say who one is for the gypsum service, and until when; never the token.

    The exit status is 4 if there is no token.
    """
    found, source = token_of(options)
    if found is None:
        raise no_token()
    facts = _facts(found, source)
    Output(options).facts(facts, _lines(facts), facts["user"])


def no_token() -> CommandError:
    """Say that there is no token."""
    hint = "`selenite auth login`, or set GYPSUM_TOKEN or GYPSUM_TOKEN_FILE"
    return CommandError(DENIED, "no token for gypsum", hint)


def token_of(options: Options) -> tuple[dict[str, Any] | None, str]:
    """Find the token, and what says so.

    Args:
        options: Options of the command.
    """
    from gypsum_client import access_token

    place = place_of("gypsum", options)
    if place.token_file and not os.environ.get("GYPSUM_TOKEN_FILE"):
        # The profile's; the client looks for it in the environment only.
        os.environ["GYPSUM_TOKEN_FILE"] = place.token_file
    found: Any = access_token(full=True, request=False, cache_dir=_cache(options))
    if found is None or found["name"] is not None:
        return found, "the cache"
    if os.environ.get("GYPSUM_TOKEN"):
        return found, "GYPSUM_TOKEN"
    return found, f"the file {os.environ.get('GYPSUM_TOKEN_FILE')}"


def _facts(found: dict[str, Any], source: str) -> dict[str, Any]:
    expires = found["expires"]
    moment = None if expires == float("inf") else datetime.fromtimestamp(expires, UTC).isoformat()
    return {"service": "gypsum", "user": found["name"], "expires": moment, "source": source}


def _lines(facts: dict[str, Any]) -> list[str]:
    return [
        f"service  {facts['service']}",
        f"user     {facts['user'] or 'not known before the first request'}",
        f"expires  {facts['expires'] or 'never'}",
        f"source   {facts['source']}",
    ]
