"""What `selenite` runs first."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# As wide as click makes it where there is room.
_HELP_COLUMNS = 80


def main() -> None:
    """Run the command.

    The Gobbler service needs no other package.
    """
    try:
        _ready_streams()
        _run()
    except KeyboardInterrupt:
        sys.exit(130)  # while modules were imported; commands have an end of their own


def _run() -> None:
    if sys.argv[1:3] == ["serve", "gobbler"]:
        from selenite._serve_gobbler import serve

        try:
            status = serve(sys.argv[3:])
            sys.stdout.flush()
        except BrokenPipeError:
            _leave_unread()
        sys.exit(status)
    if sys.argv[1:] in (["-h"], ["--help"]) and _print_help():
        return
    from selenite._needing import needing

    try:
        with needing("this command", "click"):
            from selenite.cli import main as command
    except ModuleNotFoundError as error:
        sys.exit(f"selenite: {error}")
    command()


def _ready_streams() -> None:
    """Make up for streams that are closed, and for letters that the output has no code for.

    Else the next file that is opened would be standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Input that is not there cannot be read, so that it is not taken for an empty file.
            place = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, os.fdopen(place, mode, encoding="utf-8"))
    output = sys.stdout
    if getattr(output, "errors", None) in ("strict", "surrogateescape"):
        output.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # as it has errors


def _leave_unread() -> NoReturn:
    """End as those do whose output nobody reads any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


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
        _leave_unread()
    return True
