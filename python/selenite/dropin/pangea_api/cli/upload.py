"""Commands that upload."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TextIO

import click

from ..contrib.tagging.tag import Tag
from ..knex import Knex
from ..organization import Organization
from ..user import User
from .constants import NANOPORE, PAIRED_END, READ_MODULE_NAMES, SINGLE_END
from .create import _upload
from .utils import State, common_options, lines_of, use_common_state

__all__ = [
    "NANOPORE",
    "PAIRED_END",
    "READ_MODULE_NAMES",
    "SINGLE_END",
    "Knex",
    "Organization",
    "User",
    "cli_upload",
    "module_option",
]


@click.group("upload")
def cli_upload() -> None:
    """Upload reads, metadata and fields."""


def module_option(x: list[str]) -> Callable[[Any], Any]:
    """Let a command be told which results are made.

    Args:
        x: Their names, the first is the default.
    """
    return click.option(
        "-m", "--module-name", type=click.Choice(x), default=x[0], show_default=True
    )


def _options_of_reads(f: Any) -> Any:
    for option in (
        common_options,
        click.option("--overwrite/--no-overwrite", default=False, help="Also what is there."),
        click.option("--private/--public", default=True, help="Whether others may not read it."),
        click.option("-t", "--tag", "tags", multiple=True, help="A tag for each sample."),
        click.option("-d", "--delim", help="Names of samples end before it."),
        click.argument("org_name"),
        click.argument("library_name"),
        click.argument("file_list", type=click.File("r")),
    )[::-1]:
        f = option(f)
    return f


def _grouped(paths: list[str], extensions: dict[str, str], delim: str | None) -> dict[str, Any]:
    """Sort files by sample and field."""
    samples: dict[str, dict[str, str]] = {}
    for path in paths:
        name = os.path.basename(path)
        field = next((field for field, end in extensions.items() if name.endswith(end)), None)
        if field is None:
            raise ValueError(f"{path} ends in none of {', '.join(extensions.values())}")
        sample = name.removesuffix(extensions[field])
        sample = name.split(delim)[0] if delim else sample
        found = samples.setdefault(sample, {})
        if field in found:
            raise ValueError(f"Sample {sample} has wrong number of reads: {found | {field: path}}")
        found[field] = path
    for sample, found in samples.items():
        if len(found) != len(extensions):
            raise ValueError(f"Sample {sample} has wrong number of reads: {found}")
    return samples


def _upload_reads(
    state: State, given: dict[str, Any], module_name: str, samples: dict[str, Any], dryrun: bool
) -> None:
    knex = state.get_knex()
    library = Organization(knex, given["org_name"]).get().sample_group(given["library_name"]).get()
    tags = [] if dryrun else [Tag(knex, name).idem() for name in given["tags"]]
    for name, fields in samples.items():
        for path in fields.values():
            os.stat(path)
        if dryrun:
            click.echo(f"Sample: {name} {fields}", err=True)
            continue
        sample = library.sample(name).idem()
        for tag in tags:
            tag(sample)
        result = sample.analysis_result(module_name)
        result.is_private = given["private"]
        if not _is_there(result):
            result.create()
        for field_name, path in fields.items():
            field = result.field(field_name)
            if field.exists() and field.stored_data and not given["overwrite"]:
                continue
            _upload(field.idem(), path)
        state.say(sample)


def _is_there(result: Any) -> bool:
    """Read a result, whoever may read it."""
    wanted, result.is_private = result.is_private, False
    there = bool(result.exists())
    if not there:
        result.is_private = wanted
    return there


@cli_upload.command("reads")
@use_common_state
@_options_of_reads
@module_option([PAIRED_END])
@click.option("-1", "--ext-1", default=".R1.fastq.gz", show_default=True)
@click.option("-2", "--ext-2", default=".R2.fastq.gz", show_default=True)
def cli_upload_reads(
    state: State, module_name: str, ext_1: str, ext_2: str, file_list: TextIO, **given: Any
) -> None:
    """Upload pairs of files of reads, whose paths are in a list."""
    extensions = {"read_1": ext_1, "read_2": ext_2}
    samples = _grouped(lines_of(file_list), extensions, given["delim"])
    _upload_reads(state, given, module_name, samples, False)


@cli_upload.command("single-ended-reads")
@use_common_state
@_options_of_reads
@module_option([SINGLE_END, NANOPORE])
@click.option("--dryrun/--wetrun", default=False, help="Say only what would be done.")
@click.option("-f", "--field-name", default="reads", show_default=True)
@click.option("--ext", default=".fastq.gz", show_default=True)
def cli_upload_single(
    state: State,
    module_name: str,
    dryrun: bool,
    field_name: str,
    ext: str,
    file_list: TextIO,
    **given: Any,
) -> None:
    """Upload files of reads, whose paths are in a list."""
    samples = _grouped(lines_of(file_list), {field_name: ext}, given["delim"])
    _upload_reads(state, given, module_name, samples, dryrun)


@cli_upload.command("metadata")
@use_common_state
@common_options
@click.option("--create/--no-create", default=False, help="Make samples that are not there.")
@click.option("--update/--no-update", default=False, help="Add to metadata that is there.")
@click.option("--overwrite/--no-overwrite", default=False, help="Replace metadata.")
@click.option("--index-col", default=0, show_default=True, help="Column of the names.")
@click.option("--encoding", default="utf_8", show_default=True)
@click.argument("org_name")
@click.argument("library_name")
@click.argument("table", type=click.Path(exists=True, dir_okay=False))
def cli_upload_metadata(
    state: State,
    create: bool,
    update: bool,
    overwrite: bool,
    index_col: int,
    encoding: str,
    org_name: str,
    library_name: str,
    table: str,
) -> None:
    """Write metadata of samples from a table of CSV, where there is none or as it is said."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("tables of metadata need the package `pandas`") from error
    rows = pd.read_csv(table, index_col=index_col, encoding=encoding)
    library = Organization(state.get_knex(), org_name).get().sample_group(library_name).get()
    for name, row in rows.iterrows():
        sample = library.sample(str(name))
        new = {str(key): _plain(value) for key, value in row.dropna().items()}
        if not sample.exists():
            if not create:
                click.echo(f'Sample "{name}" not found.', err=True)
                continue
            sample.create()
        if overwrite or not sample.metadata:
            sample.metadata = new
        elif update:
            sample.metadata = {**sample.metadata, **new}
        else:
            continue
        sample.save()
        state.say(sample)


def _plain(value: Any) -> Any:
    """A number of a table as one of Python."""
    return value.item() if hasattr(value, "item") else value


@cli_upload.command("group-field")
@use_common_state
@common_options
@click.argument("org_name")
@click.argument("grp_name")
@click.argument("module_name")
@click.argument("field_name")
@click.argument("path", type=click.Path(exists=True, dir_okay=False))
def cli_upload_group_field(
    state: State, org_name: str, grp_name: str, module_name: str, field_name: str, path: str
) -> None:
    """Upload a file as a field of a group's result."""
    group = Organization(state.get_knex(), org_name).get().sample_group(grp_name).get()
    field = group.analysis_result(module_name).idem().field(field_name).idem()
    click.echo(f"Created: {field}", err=True)
    _upload(field, path)
