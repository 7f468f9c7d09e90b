"""Commands about records of NCBI."""

from __future__ import annotations

import time
from typing import TextIO

import click

from ..._options import State, contrib_options
from ...knex import Knex
from ...organization import Organization
from ...user import User
from .api import create_pangea_group_from_bioproj
from .bioproject import BioProject, SRARecord

__all__ = ["BioProject", "Knex", "Organization", "SRARecord", "User", "cli_ncbi"]


@click.group("ncbi")
def cli_ncbi() -> None:
    """Link records of NCBI."""


@cli_ncbi.group("link")
def cli_link() -> None:
    """Make groups of records."""


@cli_link.command("bioproject")
@contrib_options
@click.argument("org_name")
@click.argument("accession")
def cli_link_bioproject(state: State, org_name: str, accession: str) -> None:
    """Make a library of a project."""
    org = Organization(state.get_knex(), org_name).get()
    click.echo(str(create_pangea_group_from_bioproj(org, accession)), err=True)


@cli_ncbi.group("list")
def cli_list() -> None:
    """Print records."""


@cli_list.command("bioproject")
@click.option("-s", "--sleep", default=1.0, show_default=True, help="Seconds between requests.")
@click.option("-o", "--outfile", default="-", type=click.File("w"))
@click.argument("accession")
def cli_list_bioproject(sleep: float, outfile: TextIO, accession: str) -> None:
    """Print the samples of a project, and their runs."""
    for sample in BioProject(accession).biosamples():
        time.sleep(sleep)
        runs = ",".join(run.accession for run in sample.sra())
        click.echo(f"{sample.accession} {runs}", file=outfile)


@cli_list.command("sra")
@click.option("-s", "--sleep", default=1.0, show_default=True, help="Seconds between requests.")
@click.option("-o", "--outfile", default="-", type=click.File("w"))
@click.argument("accession")
def cli_list_sra(sleep: float, outfile: TextIO, accession: str) -> None:
    """Print where the file of a run is."""
    blob = SRARecord(accession).analysis_result_blob()
    click.echo(f"{blob['url']} {blob['md5']}", file=outfile)
