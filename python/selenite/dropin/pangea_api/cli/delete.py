"""Commands that delete things."""

from __future__ import annotations

import click

from ..knex import Knex
from ..organization import Organization
from .constants import NANOPORE, PAIRED_END, READ_MODULE_NAMES, SINGLE_END
from .utils import State, common_options, use_common_state

__all__ = ["NANOPORE", "PAIRED_END", "READ_MODULE_NAMES", "SINGLE_END", "Knex", "cli_delete"]


@click.group("delete")
def cli_delete() -> None:
    """Delete samples, groups and results, and all that is below them."""


def _delete(state: State, place: str, what: str, uuid: str) -> None:
    state.get_knex().delete(f"{place}/{uuid}")
    click.echo(f"deleted {what} {uuid}", err=True)


@cli_delete.command("sample")
@use_common_state
@common_options
@click.argument("uuid", type=click.UUID)
def cli_delete_sample(state: State, uuid: object) -> None:
    """Delete a sample."""
    _delete(state, "samples", "sample", str(uuid))


@cli_delete.command("samples")
@use_common_state
@common_options
@click.option("-c/-n", "--check/--no-check", default=True, help="Whether to ask before.")
@click.argument("org_name")
@click.argument("grp_name")
@click.argument("sample_names", nargs=-1, required=True)
def cli_delete_samples(
    state: State, check: bool, org_name: str, grp_name: str, sample_names: tuple[str, ...]
) -> None:
    """Delete samples by their names."""
    group = Organization(state.get_knex(), org_name).get().sample_group(grp_name).get()
    if check:
        click.confirm(f"Delete {len(sample_names)} samples of {group.name}?", abort=True, err=True)
    for name in sample_names:
        sample = group.sample(name).get()
        sample.delete()
        click.echo(f"deleted sample {sample.uuid}", err=True)


@cli_delete.command("group")
@use_common_state
@common_options
@click.argument("uuid", type=click.UUID)
def cli_delete_group(state: State, uuid: object) -> None:
    """Delete a group of samples."""
    _delete(state, "sample_groups", "sample group", str(uuid))


@cli_delete.command("sample-result")
@use_common_state
@common_options
@click.argument("uuid", type=click.UUID)
def cli_delete_sample_result(state: State, uuid: object) -> None:
    """Delete a result of a sample."""
    _delete(state, "sample_ars", "sample result", str(uuid))


@cli_delete.command("group-result")
@use_common_state
@common_options
@click.argument("uuid", type=click.UUID)
def cli_delete_group_result(state: State, uuid: object) -> None:
    """Delete a result of a group."""
    _delete(state, "sample_group_ars", "sample group result", str(uuid))
