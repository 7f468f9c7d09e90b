"""Numbers as people read them."""

from __future__ import annotations

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def size_text(size: int) -> str:
    """Write a number of bytes with three digits.

    Args:
        size: Bytes.

    Returns:
        A decimal number and its unit.

    Example:
        >>> [size_text(size) for size in (999, 1000, 41_200_000, 999_600)]
        ['999 B', '1.00 kB', '41.2 MB', '1.00 MB']
    """
    if size < 1000:
        return f"{size} B"
    number, unit = size / 1000, 0
    while number >= 999.5 and unit + 1 < len(_UNITS):
        number, unit = number / 1000, unit + 1
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f} {_UNITS[unit]}"
