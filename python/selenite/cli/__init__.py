"""The command ``selenite``.

Commands are named here and imported when they are used, so that none pays for the others. Each is
a module of this folder: it parses, makes one call, and prints.
"""

from __future__ import annotations

import os
import sys

import click

from selenite.cli._common import Group, LazyGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

# Name of each command to its module and what is said of it, so that help imports none.
_COMMANDS = {
    "auth": ("auth:auth", "Log in to a service, or say who one is."),
    "cache": ("cache:cache", "Look after what was downloaded."),
    "cat": ("cat:cat", "Write a file to standard output."),
    "compat": ("compat:compat", "Tell about the packages that stand in for other clients."),
    "completion": ("completion:completion", "Print a script that completes words in a shell."),
    "config": ("config:config", "Show settings and where they come from; change profiles."),
    "diff": ("diff:diff", "Compare two versions or directories."),
    "doctor": ("doctor:doctor", "Find out what keeps selenite from working."),
    "get": ("get:get", "Fetch files or versions, verified."),
    "info": ("info:info", "Say what is known of a project, asset, version or file."),
    "ls": ("ls:ls", "List projects, assets, versions or files."),
    "manifest": ("manifest:manifest", "Print paths, sizes and digests of a version or directory."),
    "project": ("project:project", "Look after projects."),
    "put": ("put:put", "Upload a directory as a new version."),
    "search": ("search:search", "Search the metadata of a gypsum registry."),
    "serve": ("serve:serve", "Run a service until SIGTERM or SIGINT."),
    "tree": ("tree:tree", "Show the files of a version as a tree."),
    "verify": ("verify:verify", "Compare files with their manifest."),
    "versions": ("versions:versions", "List the versions of an asset, newest first."),
}
_ALIASES = {"login": "auth:login", "stat": "info:info"}


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from selenite import __version__

        click.echo(f"selenite, version {__version__}")
        ctx.exit()


group = Group(
    "selenite",
    "Find, fetch, check and publish versions of scientific data.\n\n"
    "Addresses are gobbler:PROJECT/ASSET/VERSION/PATH and gypsum:PROJECT/ASSET/VERSION/PATH, or "
    "less of it; VERSION may be @latest.",
    {name: (f"selenite.cli.{place}", text) for name, (place, text) in _COMMANDS.items()},
    aliases={name: f"selenite.cli.{place}" for name, place in _ALIASES.items()},
    examples=(
        "selenite ls gypsum:celldex",
        "selenite get gypsum:celldex/immgen/@latest",
        "selenite put results gobbler:demo/rna/v3 --dry-run",
    ),
)
group.params.append(
    click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_version,
        help="Show the version and exit.",
    )
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command, and end the process with its exit status.

    Args:
        arguments: What follows the name of the command, by default ``sys.argv[1:]``.
    """
    if os.environ.get("_SELENITE_COMPLETE"):
        from selenite.cli.completion import complete

        complete(os.environ["_SELENITE_COMPLETE"])
        sys.exit(0)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command.

    Args:
        arguments: What follows the name of the command.

    Returns:
        The exit status.
    """
    from selenite.cli import _errors
    from selenite.cli._common import Options, environment_kept

    # What is wrong may come before the option.
    options = Options(wants_json="--json" in arguments)
    with environment_kept():
        try:
            # Not by its `main`, which has an end of its own for readers that are gone.
            with group.make_context("selenite", list(arguments), obj=options) as context:
                group.invoke(context)
            sys.stdout.flush()
        except BaseException as error:
            return _errors.told(error, options)
    return 0


__all__ = ["Group", "LazyGroup", "group", "main", "run"]
