"""``selenite completion``: words that a shell completes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from selenite.cli._common import Options, argument, command, flag
from selenite.cli._output import Output

_PLACES = {
    "bash": "~/.local/share/bash-completion/completions/selenite",
    "zsh": "~/.local/share/zsh/site-functions/_selenite",
    "fish": "~/.config/fish/completions/selenite.fish",
}


@command(
    "completion",
    argument("shell", type=click.Choice(["bash", "zsh", "fish"])),
    flag("--install", help="Write it where the shell looks for it, and print where."),
    examples=('eval "$(selenite completion bash)"', "selenite completion fish --install"),
)
def completion(options: Options, shell: str, install: bool) -> None:
    """Print a script that completes words of `selenite` in a shell.

    Addresses are completed by one listing within a second; if that fails, by nothing.
    """
    from click.shell_completion import get_completion_class

    from selenite.cli import group

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(group, {}, "selenite", "_SELENITE_COMPLETE").source()
    output = Output(options)
    if not install:
        output.facts({"script": script}, [script.rstrip()], script.rstrip())
        return
    place = Path(_PLACES[shell]).expanduser()
    place.parent.mkdir(parents=True, exist_ok=True)
    staged = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        staged.write_text(script, encoding="utf-8")
        staged.replace(place)
    finally:
        staged.unlink(missing_ok=True)
    output.facts({"path": str(place)}, [str(place)], str(place))
    if shell == "zsh":
        output.note("add that folder to `fpath` before `compinit`, if it is not there")


def complete(instruction: str) -> None:
    """Answer a shell that asks for words.

    Args:
        instruction: Which shell, and what it wants.
    """
    from click.shell_completion import shell_complete

    from selenite.cli import group
    from selenite.cli._common import Options

    # Whatever goes wrong must not be in the way of who is typing.
    stderr, sys.stderr = sys.stderr, open(os.devnull, "w")  # noqa: PTH123, SIM115
    try:
        shell_complete(group, {"obj": Options()}, "selenite", "_SELENITE_COMPLETE", instruction)
    except Exception:
        pass
    finally:
        sys.stderr = stderr
