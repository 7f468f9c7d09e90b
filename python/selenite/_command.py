"""What `selenite` runs first."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command.

    The Gobbler service needs no other package.
    """
    if sys.argv[1:3] == ["serve", "gobbler"]:
        from selenite._serve_gobbler import serve

        sys.exit(serve(sys.argv[3:]))
    from selenite._needing import needing

    try:
        with needing("this command", "click"):
            from selenite._cli import main as command
    except ModuleNotFoundError as error:
        sys.exit(f"selenite: {error}")
    command()
