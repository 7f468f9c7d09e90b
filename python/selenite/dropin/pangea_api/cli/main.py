"""The command and its sub-commands."""

from __future__ import annotations

import logging
from typing import Any

import click
import requests

from ..contrib.ncbi.cli import cli_ncbi
from ..contrib.tagging.cli import cli_tag
from ..remote_object import RemoteObjectError
from .add import cli_add
from .create import cli_create
from .delete import cli_delete
from .download import cli_download
from .list import cli_list
from .upload import cli_upload
from .user import cli_user

_VERSION = "0.9.24"
_EXPECTED = (requests.RequestException, RemoteObjectError, OSError, ValueError, KeyError)
_ALSO_EXPECTED = (ImportError, AssertionError, TypeError)


class _Main(click.Group):
    """Tells what is expected to fail in a line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except _EXPECTED + _ALSO_EXPECTED as error:
            text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
            text = "; ".join(line.strip() for line in text.splitlines() if line.strip())
            raise click.ClickException(text or type(error).__name__) from error


@click.group(cls=_Main)
@click.option(
    "-l",
    "--log-level",
    envvar="PANGEA_CLI_LOG_LEVEL",
    default="WARNING",
    show_default=True,
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False),
    help="What the log tells, on standard error.",
)
def main(log_level: str) -> None:
    """Use the Pangea service."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger(__package__.partition(".cli")[0]).setLevel(log_level.upper())


@main.command("version")
def version() -> None:
    """Print the version that this stands for."""
    click.echo(_VERSION)


for _command in (
    cli_add,
    cli_create,
    cli_delete,
    cli_download,
    cli_list,
    cli_ncbi,
    cli_tag,
    cli_upload,
    cli_user,
):
    main.add_command(_command)
