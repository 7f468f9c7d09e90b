"""The command line of the Gobbler service.

It is that of a program in Go: names have one dash or two, a value follows after a blank or ``=``,
and the first word that is no flag ends them. Settings of the service, as the engine takes them,
come out of it.
"""

from __future__ import annotations

import argparse
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

# Where the name of a setting is not that of its flag.
_FLAGS = {"administrators": "admin", "hosts": "allow-host", "allow_roots": "allow-root"}
_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
# For names with one dash, argparse would take abbreviations.
_ONE_DASH = re.compile("^-(?=[A-Za-z])")


class FlagError(ValueError):
    """A flag that does not exist, or a value of the wrong kind."""


class TextError(ValueError):
    """A value that cannot be used, since it is no text."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise FlagError(message)


def parse(words: Sequence[str]) -> dict[str, Any]:
    """Read a command line.

    Args:
        words: What follows the name of the command. Of several equal flags the last counts;
            ``-allow-root`` adds a directory each time.

    Returns:
        The settings that are given, by the engine's names, and ``help`` if that is asked for.

    Raises:
        FlagError: A flag does not exist, or its value is of the wrong kind.
        TextError: A value is no text.
    """
    given = vars(_parser().parse_args([_ONE_DASH.sub("--", word, count=1) for word in words]))
    del given["ignored"]
    for name, value in given.items():
        for text in value if isinstance(value, list) else [value]:
            # Answers and notes of the registry are text, and name it.
            if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
                flag = _FLAGS.get(name, name)
                raise TextError(f"invalid -{flag} {text!a}: it is not valid UTF-8; rename it")
    return given


def serve(words: Sequence[str]) -> int:
    """Run the service by its command line until it is told to stop.

    Args:
        words: What follows the name of the command.

    Returns:
        The exit status: 2 for a flag that does not exist or a value of the wrong kind, 1 for
        whatever else prevents the start.
    """
    import json
    import os
    import sys

    from selenite import _core

    try:
        settings = parse(words)
    except FlagError as error:
        return _complain(error, 2)
    except TextError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if settings.pop("help", False):
        print(_parser().format_help())
        return 0
    missing = [f"`-{name}`" for name in ("staging", "registry") if not settings.get(name)]
    if missing:
        return _complain(f"missing {' and '.join(missing)}", 1)
    for name in ("staging", "registry"):
        if not os.path.isdir(settings[name]):  # noqa: PTH112 (this runs before everything else)
            # The service makes neither: a misspelled name would be a new registry.
            why = f"`{settings[name]}` is no directory"
            print(f"error: invalid -{name}: {why}", file=sys.stderr)
            if not os.path.lexists(settings[name]):
                mode = "-m 1777 " if name == "staging" else ""
                print(f"hint: make it once, by `mkdir {mode}DIRECTORY`", file=sys.stderr)
            return 1
    return _core.serve_gobbler(json.dumps(settings))


def _complain(what: object, status: int) -> int:
    """Say how the command is used, and then what is wrong."""
    import sys

    usage = _parser().format_usage().replace("usage:", "Usage:", 1)
    hint = "hint: `selenite serve gobbler -help` lists the flags"
    print(f"{usage}\nerror: {what}\n{hint}", file=sys.stderr)
    return status


def _truth(text: str) -> bool:
    if text not in _TRUTHS:
        raise argparse.ArgumentTypeError(f"it takes true or false, not {text!r}")
    return _TRUTHS[text]


def _form(text: str) -> str:
    if text not in ("text", "json"):
        raise argparse.ArgumentTypeError(f"it takes `text` or `json`, not {text!r}")
    return text


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"it takes a number, not {text!r}") from None


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="selenite serve gobbler",
        usage="%(prog)s -staging DIRECTORY -registry DIRECTORY [FLAG...]",
        description="Run the Gobbler service until SIGTERM or SIGINT.",
        epilog="Flags begin with one or two dashes; `-flag value` and `-flag=value` mean the same.",
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )

    def text(flag: str, metavar: str, help: str, **more: Any) -> None:  # noqa: ANN401 (as argparse has it)
        parser.add_argument(f"--{flag}", metavar=metavar, help=help, **more)

    def truth(flag: str, help: str) -> None:
        text(flag, "BOOLEAN", help, nargs="?", const=True, type=_truth)

    text("staging", "DIRECTORY", "where users put requests and uploads (required)")
    text("registry", "DIRECTORY", "the registry (required)")
    text(
        "admin", "USER,...", "administrators (default: nobody)", type=_names, dest="administrators"
    )
    text("host", "ADDRESS", "address to listen on (default 127.0.0.1)")
    text("port", "NUMBER", "port to listen on, 0 for any free one (default 8080)", type=_number)
    more_names = "more names by which clients may call the service"
    text("allow-host", "NAME,...", more_names, type=_names, dest="hosts")
    text("prefix", "PATH", "put before every endpoint, as /PATH")
    text("whitelist", "FILE", "directories that links may point to, one absolute path per line")
    projects = "where projects may be, too, if the registry has links to them; repeatable"
    text("allow-root", "DIRECTORY", projects, action="append", dest="allow_roots")
    text("spoof", "FILE", "who may act as whom, lines SPOOFER:USER,USER,...")
    probation = "reject probational versions after this time (default -1: never)"
    text("probation", "DAYS", probation, type=_number)
    text("concurrency", "NUMBER", "requests processed at a time (default 100)", type=_number)
    renamed = "serve although others may rename what is in the staging directory"
    truth("insecure-staging", renamed)
    text("log-format", "FORM", "lines of the log: `text` (default) or `json`", type=_form)
    truth("print-url", "write the service's URL to standard output once it answers")
    truth("durable", "`false` answers before changes are safe from a power failure")
    parser.add_argument("--help", "--h", action="store_true", help="print this")
    parser.add_argument("ignored", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser
