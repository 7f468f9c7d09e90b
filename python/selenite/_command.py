"""What `selenite` runs first."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command.

    The Gobbler service takes its flags itself, so it needs no other package.
    """
    if sys.argv[1:3] == ["serve", "gobbler"]:
        from selenite import _core

        sys.exit(_core.serve_gobbler(sys.argv[3:]))
    from selenite._needing import needing

    try:
        with needing("this command", "click"):
            from selenite._cli import main as command
    except ModuleNotFoundError as error:
        sys.exit(f"selenite: {error}")
    command()
