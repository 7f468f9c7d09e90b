"""``selenite serve``: both services."""

from __future__ import annotations

import click

from selenite.cli._common import LazyGroup


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


serve_gobbler = VerbatimCommand("gobbler", callback=_serve_gobbler)

serve = LazyGroup(
    "serve",
    "Run a service until SIGTERM or SIGINT.",
    {
        "gobbler": (
            "selenite.cli.serve:serve_gobbler",
            "The Gobbler service; see `selenite serve gobbler -help`.",
        ),
        "gypsum": ("selenite._serve_gypsum:serve_gypsum", "The gypsum service."),
    },
)
