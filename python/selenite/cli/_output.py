"""What is printed: data to standard output, in one of four forms; everything else to stderr."""

from __future__ import annotations

import json
import os
import sys

import click

from selenite._display import plain, size_text
from selenite._terminal import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, TextIO

    from selenite.cli._common import Options

SCHEMA = "selenite/1"
# Colours never tell anything alone.
_STYLES: dict[str, dict[str, Any]] = {
    "directory": {"fg": "blue"},
    "link": {"fg": "cyan"},
    "probation": {"fg": "yellow"},
    "missing": {"fg": "red"},
}


class Output:
    """Prints what a command has found, as the options say."""

    def __init__(self, options: Options, address: str | None = None, *, null: bool = False) -> None:
        """Name what the command is about.

        Args:
            options: Options of the command.
            address: What it is about, in JSON.
            null: Whether names are separated by NUL.
        """
        self.form = options.form
        self._command = options.command
        self._address = address
        self._end = "\0" if null else "\n"
        self._is_seen = is_terminal(sys.stdout)
        self.has_colors = _has_colors(options, self._is_seen)
        self._is_begun = False

    @property
    def is_human(self) -> bool:
        """Whether people read it."""
        return self.form == "human"

    @property
    def has_header(self) -> bool:
        """Whether columns have names."""
        return self.is_human and self._is_seen

    def items(
        self,
        items: Iterable[Mapping[str, Any]],
        line: Callable[[Any], str],
        name: Callable[[Any], str],
        **facts: object,
    ) -> None:
        """Print items one after the other, as they come.

        Args:
            items: What was found.
            line: Writes an item for people.
            name: What identifies an item.
            **facts: What JSON has beside the items; functions are called when these are through.
        """
        if self.form == "json":
            self._stream(items, facts)
            return
        for item in items:
            if self.form == "jsonl":
                self.write(dumped(item))
            elif self.form == "quiet":
                self.write(self.shown(name(item)), end=self._end)
            else:
                self.write(line(item), end=self._end)

    def _stream(self, items: Iterable[Mapping[str, Any]], facts: Mapping[str, object]) -> None:
        head = dumped(self._head())
        write = sys.stdout.write
        write(f'{head[:-1]}, "items": [')
        for number, item in enumerate(items):
            write(f"{', ' if number else ''}{dumped(item)}")
        write("]")
        for key, fact in facts.items():
            write(f", {json.dumps(key)}: {dumped(fact() if callable(fact) else fact)}")
        write("}\n")

    def _head(self) -> dict[str, Any]:
        head = {"schema": SCHEMA, "command": self._command}
        return head if self._address is None else {**head, "address": self._address}

    def facts(self, facts: Mapping[str, Any], lines: Iterable[str], name: str | None) -> None:
        """Print one object.

        Args:
            facts: For JSON.
            lines: For people.
            name: What identifies it; None if nothing does.
        """
        if self.form in ("json", "jsonl"):
            self.write(dumped({**self._head(), **facts}))
        elif self.form == "quiet":
            if name is not None:
                self.write(self.shown(name))
        else:
            for line in lines:
                self.write(line)

    def write(self, text: str, end: str = "\n") -> None:
        """Print a line."""
        sys.stdout.write(f"{text}{end}")

    def note(self, text: str) -> None:
        """Tell people something beside the data."""
        if self.is_human:
            sys.stdout.flush()
            click.echo(text, err=True)

    def shown(self, name: str) -> str:
        """Give a name as it may be printed: on terminals control characters are escaped."""
        return plain(name) if self._is_seen else name

    def styled(self, text: str, style: str | None) -> str:
        """Colour a text, where there are colours."""
        return click.style(text, **_STYLES[style]) if style and self.has_colors else text


def _has_colors(options: Options, is_seen: bool) -> bool:
    wish = options.given.get("color", "auto")
    if wish != "auto":
        return bool(wish == "always")
    return is_seen and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def dumped(value: object) -> str:
    """Write JSON in one line."""
    return json.dumps(value, ensure_ascii=not has_all_letters(sys.stdout), default=str)


def has_all_letters(stream: TextIO) -> bool:
    """Say whether a stream can hold any text."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-") == "utf-8"


def sized(size: int | None, *, exact: bool = False) -> str:
    """Write a number of bytes for people; nothing if it is not known."""
    if size is None:
        return ""
    return str(size) if exact else size_text(size)


def timed(text: str | None) -> str:
    """Write a time of a registry for people, in UTC.

    Example:
        >>> timed("2026-11-25T14:28:01.5+01:00")
        '2026-11-25 13:28'
    """
    moment = moment_of(text)
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M")


def moment_of(text: str | None) -> Any:  # noqa: ANN401 (a datetime, which help does not import)
    """Read a time of a registry; None if there is none, or it is no time."""
    from datetime import UTC, datetime

    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None  # of year 1, or what a server has put in its place


def table(rows: Sequence[Sequence[str]], right: Sequence[int], header: Sequence[str]) -> list[str]:
    """Lay texts out in columns, two blanks apart; the last one is as wide as it is.

    Args:
        rows: Texts of each row.
        right: Columns of numbers.
        header: Names of the columns; none if there is nothing to name.
    """
    lines = [*([header] if header else []), *rows]
    if not lines:
        return []
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return [
        "  ".join(
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


_KEYS = ("name", "type", "size", "md5sum", "link", "on_probation", "latest", "uploaded")


def item(name: str, kind: str, **facts: object) -> dict[str, Any]:
    """Describe one thing that is listed; what is not known is None."""
    return {**dict.fromkeys(_KEYS), "name": name, "type": kind, **facts}
