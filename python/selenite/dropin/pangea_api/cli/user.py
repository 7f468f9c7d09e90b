"""Commands about who asks."""

from __future__ import annotations

import json

import click

from ..knex import Knex
from ..organization import Organization
from ..user import User
from .utils import State, common_options, use_common_state

__all__ = ["Knex", "Organization", "User", "cli_user"]


@click.group("user")
def cli_user() -> None:
    """See and change an account."""


@cli_user.command("info")
@use_common_state
@common_options
def cli_user_info(state: State) -> None:
    """Print what the service knows of who asks."""
    knex = state.get_knex()
    if knex.auth is None:
        raise click.UsageError("say who asks, by --email and --password")
    state.say(json.dumps(knex.get("users/me"), indent=4, sort_keys=True))


@cli_user.command("change-password")
@use_common_state
@common_options
@click.argument("new_password")
def cli_user_change_password(state: State, new_password: str) -> None:
    """Change the password."""
    knex = state.get_knex()
    if knex.auth is None:
        raise click.UsageError("say who asks, by --email and --password")
    body = {"new_password": new_password, "current_password": state.password}
    knex._call("post", "auth/users/set_password/", body)
