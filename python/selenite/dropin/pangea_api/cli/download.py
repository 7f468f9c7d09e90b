"""Commands that download."""

from __future__ import annotations

from typing import Any, TextIO

import click

from selenite import _rest

from .._local import download_field, fields_of, placed, write_blob
from ..knex import Knex
from ..organization import Organization
from ..user import User
from .utils import State, common_options, lines_of, use_common_state

__all__ = ["Knex", "Organization", "User", "cli_download"]


@click.group("download")
def cli_download() -> None:
    """Download metadata and files."""


def _setup_download(
    state: State,
    sample_manifest: TextIO | None,
    org_name: str,
    grp_name: str,
    sample_names: tuple[str, ...],
) -> tuple[Any, list[Any]]:
    """Give the group and those of its samples that are wanted."""
    group = Organization(state.get_knex(), org_name).get().sample_group(grp_name).get()
    wanted = {*sample_names, *lines_of(sample_manifest)}
    samples = [one for one in group.get_samples() if not wanted or one.name in wanted]
    for name in sorted(wanted - {one.name for one in samples}):
        click.echo(f'Sample "{name}" not found.', err=True)
    return group, samples


@cli_download.command("metadata")
@use_common_state
@common_options
@click.option("--sample-manifest", type=click.File("r"), help="Names of samples, one a line.")
@click.argument("org_name")
@click.argument("grp_name")
@click.argument("sample_names", nargs=-1)
def cli_download_metadata(
    state: State,
    sample_manifest: TextIO | None,
    org_name: str,
    grp_name: str,
    sample_names: tuple[str, ...],
) -> None:
    """Write the metadata of samples as a table of CSV."""
    _, samples = _setup_download(state, sample_manifest, org_name, grp_name, sample_names)
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("tables of metadata need the package `pandas`") from error
    rows = {one.name: one.metadata if isinstance(one.metadata, dict) else {} for one in samples}
    pd.DataFrame.from_dict(rows, orient="index").to_csv(state.outfile)


@cli_download.command("sample-results")
@use_common_state
@common_options
@click.option("--module-name", help="Results of this name alone.")
@click.option("--field-name", help="Fields of this name alone.")
@click.option("--target-dir", default=".", show_default=True, help="The folder for the files.")
@click.option("--sample-manifest", type=click.File("r"), help="Names of samples, one a line.")
@click.option("--download/--urls-only", default=True, help="Or print URLs and names.")
@click.option("--jobs", default=8, show_default=True, help="How many downloads go on at once.")
@click.argument("org_name")
@click.argument("grp_name")
@click.argument("sample_names", nargs=-1)
def cli_download_sample_results(
    state: State,
    module_name: str | None,
    field_name: str | None,
    target_dir: str,
    sample_manifest: TextIO | None,
    download: bool,
    jobs: int,
    org_name: str,
    grp_name: str,
    sample_names: tuple[str, ...],
) -> None:
    """Download the fields of samples' results, with their files."""
    _, samples = _setup_download(state, sample_manifest, org_name, grp_name, sample_names)
    fields = fields_of(samples, module_name, field_name)
    if not download:
        for field in fields:
            try:
                state.say(f"{field.get_download_url()} {field.get_referenced_filename()}")
            except TypeError:
                continue
        return

    def fetch(place: tuple[Any, str, str | None]) -> bool:
        field, data, file = place
        click.echo(f"Downloading FILE {file or data}", err=True)
        try:
            write_blob(field, data)
            if file is not None:
                download_field(field, file)
        except Exception as error:
            click.echo(f"{file or data}: {error}", err=True)
            return False
        return True

    failures = _rest.side_by_side(fetch, placed(fields, target_dir), jobs).count(False)
    if failures:
        raise ValueError(f"{failures} files were not downloaded")
    click.echo("done.", err=True)
