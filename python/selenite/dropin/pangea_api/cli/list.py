"""Commands that list."""

from __future__ import annotations

import click

from ..knex import Knex
from ..organization import Organization
from ..user import User
from .utils import State, common_options, use_common_state

__all__ = ["Knex", "Organization", "User", "cli_list"]


@click.group("list")
def cli_list() -> None:
    """List samples."""


@cli_list.command("samples")
@use_common_state
@common_options
@click.argument("org_name")
@click.argument("grp_name")
def cli_list_samples(state: State, org_name: str, grp_name: str) -> None:
    """Print the samples of a group."""
    group = Organization(state.get_knex(), org_name).get().sample_group(grp_name).get()
    for sample in group.get_samples():
        state.say(sample)
