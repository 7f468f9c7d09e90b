"""Commands that make things."""

from __future__ import annotations

import os
from typing import Any, TextIO

import click

from ..blob_constructors import sample_ar_from_uuid, sample_from_uuid
from ..knex import Knex
from ..organization import Organization
from ..user import User
from .constants import NANOPORE, PAIRED_END, READ_MODULE_NAMES, SINGLE_END
from .utils import State, common_options, is_uuid, use_common_state

__all__ = [
    "NANOPORE",
    "PAIRED_END",
    "READ_MODULE_NAMES",
    "SINGLE_END",
    "Knex",
    "Organization",
    "User",
    "cli_create",
    "simplify_sample_names",
]


def simplify_sample_names(name_file: TextIO | None, name_list: tuple[str, ...]) -> list[str]:
    """Give the names of samples from both places, which commas separate, too.

    Args:
        name_file: Names, one a line.
        name_list: Further names.
    """
    lines = [*name_list, *(name_file or ())]
    names = [name.strip() for line in lines for name in line.split(",")]
    return list(dict.fromkeys(name for name in names if name))


def _created(what: object) -> None:
    click.echo(f"Created: {what}", err=True)


@click.group("create")
def cli_create() -> None:
    """Make organizations, groups, samples, results and fields."""


@cli_create.command("org")
@use_common_state
@common_options
@click.argument("org_name")
def cli_create_org(state: State, org_name: str) -> None:
    """Make an organization."""
    _created(Organization(state.get_knex(), org_name).create())


@cli_create.command("sample-group")
@use_common_state
@common_options
@click.option("--private/--public", default=True, help="Whether others may not read it.")
@click.option("--library/--not-library", default=True, help="Whether samples are kept in it.")
@click.argument("org_name")
@click.argument("grp_name")
def cli_create_grp(
    state: State, private: bool, library: bool, org_name: str, grp_name: str
) -> None:
    """Make a group of samples."""
    org = Organization(state.get_knex(), org_name).get()
    group = org.sample_group(grp_name, is_library=library, is_public=not private)
    _created(group.create())


@cli_create.command("samples")
@use_common_state
@common_options
@click.option("-s", "--sample-name-list", type=click.File("r"), help="Names, one a line.")
@click.argument("org_name")
@click.argument("library_name")
@click.argument("names", nargs=-1)
def cli_create_samples(
    state: State,
    sample_name_list: TextIO | None,
    org_name: str,
    library_name: str,
    names: tuple[str, ...],
) -> None:
    """Make samples."""
    library = Organization(state.get_knex(), org_name).get().sample_group(library_name).get()
    for name in simplify_sample_names(sample_name_list, names):
        state.say(library.sample(name).idem())


@cli_create.command("sample-with-data")
@use_common_state
@common_options
@click.option(
    "-m",
    "--module-name",
    default=PAIRED_END,
    show_default=True,
    type=click.Choice(READ_MODULE_NAMES),
)
@click.argument("org_name")
@click.argument("library_name")
@click.argument("sample_name")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False))
def cli_create_sample_with_data(
    state: State,
    module_name: str,
    org_name: str,
    library_name: str,
    sample_name: str,
    files: tuple[str, ...],
) -> None:
    """Make a sample with files of reads."""
    names = ["read_1", "read_2"] if module_name == PAIRED_END else ["reads"]
    if len(files) != len(names):
        raise ValueError(f"{module_name} needs {len(names)} files, not {len(files)}")
    library = Organization(state.get_knex(), org_name).get().sample_group(library_name).get()
    result = library.sample(sample_name).idem().analysis_result(module_name).idem()
    for name, path in zip(names, files, strict=True):
        _upload(result.field(name).idem(), path)
    click.echo("success", err=True)


@cli_create.command("sample-ar")
@use_common_state
@common_options
@click.option("-r", "--replicate", help="Which one of several.")
@click.argument("names", nargs=-1, required=True)
def cli_create_sample_ar(state: State, replicate: str | None, names: tuple[str, ...]) -> None:
    """Make a result: ORG LIBRARY SAMPLE MODULE, or SAMPLE_UUID MODULE."""
    knex = state.get_knex()
    if len(names) == 2 and is_uuid(names[0]):
        sample = sample_from_uuid(knex, names[0])
    elif len(names) == 4:
        sample = _sample(knex, *names[:3])
    else:
        raise click.UsageError("give ORG LIBRARY SAMPLE MODULE, or SAMPLE_UUID MODULE")
    _created(sample.analysis_result(names[-1], replicate=replicate).idem())


def _sample(knex: Knex, org_name: str, library_name: str, sample_name: str) -> Any:
    library = Organization(knex, org_name).get().sample_group(library_name).get()
    return library.sample(sample_name).get()


def _upload(field: Any, path: str) -> None:
    click.echo(f"Uploading file: {path}", err=True)
    size = os.path.getsize(path)
    more = {} if size < 64 << 20 else {"logger": lambda line: click.echo(line, err=True)}
    field.upload_file(path, **more)


@cli_create.command("field")
@use_common_state
@common_options
@click.argument("names", nargs=-1, required=True)
def cli_create_field(state: State, names: tuple[str, ...]) -> None:
    """Make a field with a file: ORG LIBRARY SAMPLE MODULE FIELD FILE, or UUID FIELD FILE."""
    knex = state.get_knex()
    if len(names) == 3 and is_uuid(names[0]):
        result = sample_ar_from_uuid(knex, names[0])
    elif len(names) == 6:
        result = _sample(knex, *names[:3]).analysis_result(names[3]).idem()
    else:
        message = "give ORG LIBRARY SAMPLE MODULE FIELD FILE, or RESULT_UUID FIELD FILE"
        raise click.UsageError(message)
    os.stat(names[-1])
    field = result.field(names[-2]).idem()
    _created(field)
    _upload(field, names[-1])
