"""What goes wrong: one line that says what and why, at most one hint, and an exit status."""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from selenite.cli._common import Options

# Exit statuses.
FAILED, USAGE, NOT_FOUND, DENIED, CONFLICT, DAMAGED, UNREACHABLE, OFFLINE = range(1, 9)
INTERRUPTED, BROKEN_PIPE = 130, 141
_KINDS = {
    FAILED: "failed",
    USAGE: "usage",
    NOT_FOUND: "not_found",
    DENIED: "denied",
    CONFLICT: "conflict",
    DAMAGED: "damaged",
    UNREACHABLE: "unreachable",
    OFFLINE: "offline",
}
_OF_PACKAGES = {
    "gypsum_client._errors:GypsumConnectionError": UNREACHABLE,
    "gypsum_client._errors:GypsumContentError": DAMAGED,
    "gypsum_client._errors:GypsumError": FAILED,
    "girder_client._errors:AuthenticationError": DENIED,
    "girder_client._errors:IncompleteResponseError": DAMAGED,
    "requests:ConnectionError": UNREACHABLE,
    "requests:Timeout": UNREACHABLE,
}
_BY_STATUS = {401: DENIED, 403: DENIED, 404: NOT_FOUND, 409: CONFLICT, 423: CONFLICT}


class CommandError(Exception):
    """Something that a command has to say, and then ends.

    Attributes:
        code: Exit status.
        message: What and why.
        hint: What may be done; None if there is nothing to say.
        address: What it is about.
        url: URL of the request.
        status: Status of the answer.
    """

    def __init__(
        self,
        code: int,
        message: str,
        hint: str | None = None,
        *,
        address: str | None = None,
        url: str | None = None,
        status: int | None = None,
    ) -> None:
        """Keep the facts."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.address = address
        self.url = url
        self.status = status


def told(error: BaseException, options: Options) -> int:
    """Say what went wrong, on standard error.

    Args:
        error: What was raised.
        options: Options of the command.

    Returns:
        The exit status.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0
    if isinstance(error, KeyboardInterrupt):
        _end_line()
        return INTERRUPTED
    if isinstance(error, click.Abort):
        _end_line()
        return INTERRUPTED if not isinstance(error.__context__, EOFError) else FAILED
    if isinstance(error, BrokenPipeError) and _is_of_stdout(error):
        # Whoever read has read enough.
        _close_stdout()
        return BROKEN_PIPE
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    problem = problem_of(error)
    if problem is None or options.verbosity > 1:
        import traceback

        traceback.print_exception(error)
    _print(problem or CommandError(FAILED, f"{type(error).__name__}: {error}"), options)
    return problem.code if problem else FAILED


def _print(problem: CommandError, options: Options) -> None:
    from selenite._display import plain
    from selenite.cli._output import has_all_letters

    if options.wants_json or options.form in ("json", "jsonl"):
        found = {
            "kind": _KINDS[problem.code],
            "message": problem.message,
            "address": problem.address or options.address,
            "url": problem.url,
            "status": problem.status,
            "hint": problem.hint,
        }
        text = json.dumps({"error": found}, ensure_ascii=not has_all_letters(sys.stderr))
    else:
        lines = [
            f"error: {line}" if not at else f"  {line}"
            for at, line in enumerate(problem.message.splitlines() or [""])
        ]
        text = "\n".join(plain(line) for line in lines)
        if problem.hint:
            text += f"\nhint: {plain(problem.hint)}"
    try:
        sys.stdout.flush()
    except OSError:
        _close_stdout()
    click.echo(text, err=True)


def problem_of(error: BaseException) -> CommandError | None:
    """Find out what an exception is for the user; None if it is a fault of ours."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, click.UsageError):
        return _of_usage(error)
    if isinstance(error, click.ClickException):
        return CommandError(FAILED, error.format_message())
    facts: dict[str, Any] = {
        "address": getattr(error, "address", None),
        "url": getattr(error, "url", None),
        "status": _status(error),
    }
    code = code_of(error)
    if code is None:
        return None
    return CommandError(
        code, _message(error), getattr(error, "hint", None) or _hint(error, code), **facts
    )


def _status(error: BaseException) -> int | None:
    for name in ("status", "status_code"):
        found = getattr(error, name, None)
        if isinstance(found, int):
            return found
    return None


def code_of(error: BaseException) -> int | None:
    """Give the exit status for an exception; None if it is nothing that was to be expected."""
    import selenite
    from selenite import _exceptions as core

    by_class = [
        ("OfflineError", OFFLINE),
        ("NotFoundError", NOT_FOUND),
        ("PermissionDeniedError", DENIED),
        ("AlreadyExistsError", CONFLICT),
    ]
    for name, code in by_class:
        kind = getattr(core, name, None)
        if kind is not None and isinstance(error, kind):
            return code
    status = _status(error)
    if status is not None:
        return _BY_STATUS.get(status, FAILED)
    if isinstance(error, core.InvalidArgumentError):
        return USAGE
    damage = core.DigestError | core.FormError | core.UnfinishedError | core.UnsafePathError
    if isinstance(error, damage | core.DocumentError):
        return DAMAGED
    if isinstance(error, core.TransportError):
        return OFFLINE if "SELENITE_OFFLINE" in str(error) else UNREACHABLE
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return NOT_FOUND
    if isinstance(error, PermissionError):
        return DENIED
    if isinstance(error, FileExistsError):
        return CONFLICT
    if isinstance(error, ConnectionError | TimeoutError):
        return UNREACHABLE
    # Of the drop-in packages that commands stand on, if one of these was imported.
    for name, code in _OF_PACKAGES.items():
        module, _, kind_name = name.partition(":")
        package = sys.modules.get(module)
        if package is not None and isinstance(error, getattr(package, kind_name)):
            return code
    if isinstance(error, selenite.SeleniteError | OSError | ModuleNotFoundError | ValueError):
        return FAILED
    return None


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {_lowered(error.strerror)}"
    if isinstance(error, OSError) and error.errno and error.strerror:
        return _lowered(error.strerror)
    return str(error)


def _lowered(text: str) -> str:
    """Begin a text of the system small, unless it begins with an abbreviation."""
    return f"{text[:1].lower()}{text[1:]}" if text[1:2].islower() else text


def _hint(error: BaseException, code: int) -> str | None:
    if code == UNREACHABLE:
        return "`selenite doctor` looks for the cause"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "`selenite cache prune` frees what was not used for long"
    return None


def _of_usage(error: click.UsageError) -> CommandError:
    text = error.format_message().rstrip(".")
    text = f"{text[:1].lower()}{text[1:]}".replace("'", "`")
    hint = None
    possibilities = list(getattr(error, "possibilities", None) or [])
    if isinstance(error, click.NoSuchOption):
        text = f"no such option `{error.option_name}`"
    if possibilities:
        hint = f"did you mean `{possibilities[0]}`?"
    elif error.ctx is not None:
        hint = f"`{error.ctx.command_path} -h` shows what there is"
    return CommandError(USAGE, text, hint)


def _is_of_stdout(error: BrokenPipeError) -> bool:
    """Say whether it was our output that nobody read, and no connection."""
    return error.errno in (None, errno.EPIPE) and error.filename is None


def _close_stdout() -> None:
    """Let nothing more be written, not even at the end of the interpreter."""
    # Unless it is no stream of the system's.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_line() -> None:
    from selenite._terminal import is_terminal

    if is_terminal(sys.stderr):
        click.echo(err=True)


def close_to(name: str, known: object) -> list[str]:
    """Find the names that are like one, the most alike first.

    Args:
        name: What was written.
        known: Names that exist.
    """
    from difflib import get_close_matches

    return get_close_matches(name, list(known), n=1, cutoff=0.6)  # type: ignore[call-overload]
