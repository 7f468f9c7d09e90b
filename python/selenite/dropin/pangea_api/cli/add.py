"""Commands that add to groups."""

from __future__ import annotations

from typing import TextIO

import click

from ..knex import Knex
from ..organization import Organization
from ..user import User
from .utils import State, common_options, lines_of, use_common_state

__all__ = ["Knex", "Organization", "User", "cli_add"]


@click.group("add")
def cli_add() -> None:
    """Add samples to groups."""


@cli_add.command("samples-to-group")
@use_common_state
@common_options
@click.option("--sample-manifest", type=click.File("r"), help="Names of samples, one a line.")
@click.argument("source_org")
@click.argument("source_grp")
@click.argument("dest_org")
@click.argument("dest_grp")
@click.argument("sample_names", nargs=-1)
def cli_add_samples(
    state: State,
    sample_manifest: TextIO | None,
    source_org: str,
    source_grp: str,
    dest_org: str,
    dest_grp: str,
    sample_names: tuple[str, ...],
) -> None:
    """Add samples of one group to another one: all, or those that are named."""
    knex = state.get_knex()
    source = Organization(knex, source_org).get().sample_group(source_grp).get()
    target = Organization(knex, dest_org).get().sample_group(dest_grp).get()
    wanted = {*sample_names, *lines_of(sample_manifest)}
    added = 0
    for sample in source.get_samples(cache=False):
        if not wanted or sample.name in wanted:
            target.add_sample(sample)
            wanted.discard(sample.name)
            added += 1
            if not wanted and (sample_names or sample_manifest):
                break
    target.save()
    for name in sorted(wanted):
        click.echo(f'Sample "{name}" not found.', err=True)
    state.say(f"Added {added} to {target}")
