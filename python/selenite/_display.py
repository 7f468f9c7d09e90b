"""How things are shown: sizes, times, names that may hold anything, tables for notebooks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
#: So many rows of a table are shown.
MOST_ROWS = 50


def size_text(size: int) -> str:
    """Write a size with three digits.

    Args:
        size: Bytes.

    Returns:
        Such as ``999 B`` or ``41.2 MB``; a kB are 1000 bytes.

    Example:
        >>> [size_text(size) for size in (0, 999, 1000, 41_240_000, 999_999)]
        ['0 B', '999 B', '1.00 kB', '41.2 MB', '1.00 MB']
    """
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
        if value < 999.5 or unit == _UNITS[-1]:
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("the last unit takes every size")


def count_text(count: int, noun: str) -> str:
    """Write a number of things.

    Args:
        count: How many.
        noun: What one of them is.

    Returns:
        Such as ``1 file`` or ``24 files``.
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def plain(text: str) -> str:
    r"""Show a name on one line, whatever it holds.

    Args:
        text: The name.

    Returns:
        The name with control characters, and those that change the direction of writing, as
        escapes.

    Example:
        >>> plain("a\nb\u202ec")
        'a\\nb\\u202ec'
    """
    if text.isprintable():
        return text
    shown = (letter if letter.isprintable() else _escaped(letter) for letter in text)
    return "".join(shown)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], total: int) -> str:
    """Make a table for notebooks. It holds no script and asks for nothing.

    Args:
        title: What stands above it.
        header: Names of the columns.
        rows: Text of each cell; only the first ones are taken.
        total: How many rows there are.

    Returns:
        HTML, in which names are nothing but text.
    """
    import html
    from itertools import islice
    from secrets import token_hex

    def cell(text: str, tag: str = "td") -> str:
        return f"<{tag}>{html.escape(plain(text), quote=True)}</{tag}>"

    name = f"selenite-{token_hex(6)}"
    style = (
        f"#{name}{{color:inherit;background:transparent}}"
        f"#{name} th,#{name} td{{text-align:left;padding:0 1em 0 0;color:inherit}}"
        f"#{name} caption{{text-align:left;font-weight:bold;color:inherit}}"
    )
    lines = ["".join(cell(text) for text in row) for row in islice(rows, MOST_ROWS)]
    if total > MOST_ROWS:
        more = f"and {total - MOST_ROWS:,} more"
        lines.append(f'<td colspan="{len(header)}">{more}</td>')
    head = "".join(cell(text, "th") for text in header)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    caption = html.escape(plain(title), quote=True)
    return (
        f'<style>{style}</style><table id="{name}"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
