"""``selenite compat``: whose code the import of a drop-in package runs, and why."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from selenite import __version__, _dropin
from selenite._compat import State, state
from selenite.cli._common import LazyGroup, Options, command
from selenite.cli._output import Output

compat = LazyGroup(
    "compat",
    "Tell about the packages that stand in for other clients.",
    {"status": ("selenite.cli.compat:status", "Say whose code an import runs, and why.")},
)


@command("status", examples=("selenite compat status --json",))
def status(options: Options) -> None:
    """Say whose code the import of each drop-in runs, and why.

    Nothing is imported for that. The exit status is 1 if an import would fail, and something can be
    done about it.
    """
    states = [state(name) for name in _dropin.DISTRIBUTIONS]
    facts = {
        "selenite": __version__,
        "python": sys.executable,
        "dropins": [asdict(one) for one in states],
    }
    Output(options).facts(facts, [_text(one) for one in states], None)
    click.get_current_context().exit(int(any(one.is_broken for one in states)))


def _text(one: State) -> str:
    installed = f"{one.version} is installed" if one.version else "is not installed"
    lines = [
        f"{one.name}: {one.runs}",
        f"  why           {one.why}",
        f"  location      {one.location}" if one.location else "",
        f"  distribution  {one.distribution} {installed}",
        f"  advice        {one.advice}" if one.advice else "",
    ]
    return "\n".join(line for line in lines if line)
