"""What `selenite` runs first."""

from __future__ import annotations

import os
import sys

# As wide as click makes it where there is room.
_HELP_COLUMNS = 80


def main() -> None:
    """Run the command.

    The Gobbler service needs no other package.
    """
    if sys.argv[1:3] == ["serve", "gobbler"]:
        from selenite._serve_gobbler import serve

        sys.exit(serve(sys.argv[3:]))
    if sys.argv[1:] in (["-h"], ["--help"]) and _print_help():
        return
    from selenite._needing import needing

    try:
        with needing("this command", "click"):
            from selenite.cli import main as command
    except ModuleNotFoundError as error:
        sys.exit(f"selenite: {error}")
    command()


def _print_help() -> bool:
    """Print what `--help` does, without importing for five times as long as Python needs to start.

    Returns:
        False where the terminal is too narrow for it.
    """
    try:
        if os.get_terminal_size().columns < _HELP_COLUMNS:
            return False
    except (OSError, ValueError):
        pass  # no terminal
    place = os.path.join(os.path.dirname(__file__), "cli", "help.txt")  # noqa: PTH118, PTH120
    try:
        with open(place, encoding="utf-8") as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return False
    # One call, so that a reader that is gone is told once.
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    return True
