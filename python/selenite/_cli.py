"""The command ``selenite``.

Commands are named here and imported when they are used, so that none pays for the others.
"""

from __future__ import annotations

import importlib

import click


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def __init__(self, name: str, help: str, commands: dict[str, str]) -> None:
        """Name the commands.

        Args:
            name: Name of the group.
            help: Its help text.
            commands: Name of each command to ``module:attribute``.
        """
        super().__init__(name, help=help)
        self._places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return ``None`` if there is none of that name."""
        if cmd_name not in self._places:
            return None
        module, _, attribute = self._places[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class VerbatimCommand(click.Command):
    """A command that hands all its arguments on as they are, ``--help`` included."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments."""
        ctx.args = list(args)
        return ctx.args


def _serve_gobbler() -> None:
    from selenite._serve_gobbler import serve

    ctx = click.get_current_context()
    ctx.exit(serve(ctx.args))


serve_gobbler = VerbatimCommand(
    "gobbler",
    callback=_serve_gobbler,
    short_help="The Gobbler service; see `selenite serve gobbler -help`.",
)

serve = LazyGroup(
    "serve",
    "Run a service until SIGTERM or SIGINT.",
    {
        "gobbler": "selenite._cli:serve_gobbler",
        "gypsum": "selenite._serve_gypsum:serve_gypsum",
    },
)

compat = LazyGroup(
    "compat",
    "Tell about the packages that stand in for other clients.",
    {"status": "selenite._compat:status"},
)

main = LazyGroup(
    "selenite",
    "Clients and embedded services for scientific data registries.",
    {"compat": "selenite._cli:compat", "serve": "selenite._cli:serve"},
)
click.version_option(package_name="selenite")(main)
