"""Commands about tags. They print on standard error."""

from __future__ import annotations

from typing import Any

import click

from ..._options import State, contrib_options
from ...knex import Knex
from ...organization import Organization
from ...user import User
from .tag import Tag

__all__ = ["Knex", "Organization", "Tag", "User", "cli_tag"]


def _say(what: object) -> None:
    click.echo(str(what), err=True)


@click.group("tag")
def cli_tag() -> None:
    """Tag samples and groups."""


@cli_tag.command("create")
@contrib_options
@click.argument("tag_names", nargs=-1)
def cli_create_tag(state: State, tag_names: tuple[str, ...]) -> None:
    """Make tags."""
    knex = state.get_knex()
    for name in tag_names:
        _say(Tag(knex, name).idem())


def _tag(state: State, org_name: str, grp_name: str, tag_names: tuple[str, ...]) -> tuple[Any, Any]:
    knex = state.get_knex()
    group = Organization(knex, org_name).get().sample_group(grp_name).get()
    return group, [Tag(knex, name).idem() for name in tag_names]


@cli_tag.command("samples-in-group")
@contrib_options
@click.argument("org_name")
@click.argument("grp_name")
@click.argument("tag_names", nargs=-1)
def cli_tag_samples(state: State, org_name: str, grp_name: str, tag_names: tuple[str, ...]) -> None:
    """Tag all samples of a group."""
    group, tags = _tag(state, org_name, grp_name, tag_names)
    for sample in group.get_samples():
        for tag in tags:
            tag(sample)
            _say(f"{tag} {sample}")


@cli_tag.command("group")
@contrib_options
@click.argument("org_name")
@click.argument("grp_name")
@click.argument("tag_names", nargs=-1)
def cli_tag_group(state: State, org_name: str, grp_name: str, tag_names: tuple[str, ...]) -> None:
    """Tag a group."""
    group, tags = _tag(state, org_name, grp_name, tag_names)
    for tag in tags:
        tag(group)
        _say(f"{tag} {group}")


@cli_tag.group("list")
def cli_list() -> None:
    """List what has a tag."""


@cli_list.command("random-samples")
@contrib_options
@click.option("-n", "--num-samples", default=100, show_default=True)
@click.argument("tag_name")
def cli_list_samples(state: State, num_samples: int, tag_name: str) -> None:
    """Print some samples that have a tag."""
    for sample in Tag(state.get_knex(), tag_name).get().get_random_samples(n=num_samples):
        _say(sample)


@cli_list.command("groups")
@contrib_options
@click.option("-n", "--num-samples", default=100, show_default=True)
@click.argument("tag_name")
def cli_list_groups(state: State, num_samples: int, tag_name: str) -> None:
    """Print groups that have a tag."""
    groups = Tag(state.get_knex(), tag_name).get().get_sample_groups()
    for _, group in zip(range(num_samples), groups, strict=False):
        _say(group)
