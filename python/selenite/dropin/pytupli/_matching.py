"""Filters as functions, for storages without a service."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from ._errors import TupliStorageError
from .schema import BaseFilter, FilterType

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Record = dict[str, Any]


def _is_in(found: Any, values: Any) -> bool:
    # A text has parts, too, but is no list.
    return isinstance(values, list | tuple | set) and found in values


_COMPARED: dict[FilterType, Callable[[Any, Any], Any]] = {
    FilterType.EQ: operator.eq,
    FilterType.GEQ: operator.ge,
    FilterType.LEQ: operator.le,
    FilterType.GT: operator.gt,
    FilterType.LT: operator.lt,
    FilterType.NE: operator.ne,
    FilterType.IN: _is_in,
}


def predicate(wanted: BaseFilter) -> Callable[[Record], bool]:
    """Make a function that says of a record whether it is looked for.

    A key that a record does not have matches nothing.

    Args:
        wanted: What is looked for.
    """
    if wanted.type in (FilterType.AND, FilterType.OR):
        parts = [predicate(part) for part in wanted.filters or []]
        among = all if wanted.type == FilterType.AND else any
        return lambda record: among(part(record) for part in parts)
    if wanted.type not in _COMPARED:
        message = f"Unknown filter type: {wanted.type}"
        raise TupliStorageError(message)
    compare, names = _COMPARED[wanted.type], (wanted.key or "").split(".")

    def matches(record: Record) -> bool:
        found: Any = record
        for name in names:
            if not isinstance(found, dict) or name not in found:
                return False
            found = found[name]
        return bool(compare(found, wanted.value))

    return matches
