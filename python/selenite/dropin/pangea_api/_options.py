"""Options that commands have in common, those of this package and of its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO
from uuid import UUID

import click

from .knex import DEFAULT_ENDPOINT, Knex
from .user import User

_CONTRIB_ENDPOINT = "https://pangea.gimmebio.com"


class State:
    """What the common options say."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.email: str | None = None
        self.password: str | None = None
        self.endpoint: str = DEFAULT_ENDPOINT
        self.outfile: TextIO | None = None

    def get_knex(self) -> Knex:
        """Give the server, with a login if both name and password are given."""
        knex = Knex(self.endpoint)
        if self.email and self.password:
            User(knex, self.email, self.password).login()
        return knex

    def say(self, what: object) -> None:
        """Print a line where results go."""
        click.echo(str(what), file=self.outfile)


_pass_state = click.make_pass_decorator(State, ensure=True)


def use_common_state(f: Any) -> Any:
    """Give a command the state.

    Args:
        f: The command.
    """
    return _pass_state(f)


def _option(name: str, *flags: str, **given: Any) -> Callable[[Any], Any]:
    def note(context: click.Context, _: click.Parameter, value: Any) -> Any:
        setattr(context.ensure_object(State), name, value)
        return value

    return click.option(*flags, expose_value=False, callback=note, **given)


def endpoint_option(f: Any) -> Any:
    """Let a command be told the server.

    Args:
        f: The command.
    """
    given = {"default": DEFAULT_ENDPOINT, "show_default": True, "help": "The server."}
    return _option("endpoint", "--endpoint", **given)(f)


def email_option(f: Any) -> Any:
    """Let a command be told who asks.

    Args:
        f: The command.
    """
    given = {"envvar": "PANGEA_USER", "help": "Who asks."}
    return _option("email", "-e", "--email", **given)(f)


def password_option(f: Any) -> Any:
    """Let a command be told the password.

    Args:
        f: The command.
    """
    given = {"envvar": "PANGEA_PASS", "help": "The password."}
    return _option("password", "-p", "--password", **given)(f)


def outfile_option(f: Any) -> Any:
    """Let a command be told where results go.

    Args:
        f: The command.
    """
    given = {"default": "-", "type": click.File("w"), "help": "Where results go."}
    return _option("outfile", "-o", "--outfile", **given)(f)


def common_options(f: Any) -> Any:
    """Give a command all of these options.

    Args:
        f: The command.
    """
    for option in (outfile_option, password_option, email_option, endpoint_option):
        f = option(f)
    return f


def contrib_options(f: Any) -> Any:
    """Give a command the state, and the options of those commands that print nowhere else.

    Args:
        f: The command.
    """
    given = {"default": _CONTRIB_ENDPOINT, "show_default": True, "help": "The server."}
    f = _option("endpoint", "--endpoint", **given)(use_common_state(f))
    return email_option(password_option(f))


def is_uuid(name: str) -> bool:
    """Say whether a text is a uuid.

    Args:
        name: The text.
    """
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def lines_of(file: TextIO | None) -> list[str]:
    """Read names, one a line.

    Args:
        file: Where from, None for nowhere.
    """
    return [] if file is None else [line.strip() for line in file if line.strip()]
