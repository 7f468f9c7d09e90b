"""Arguments as callers give them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def listed(names: str | Iterable[str], argument: str) -> list[str]:
    """Take one name for a list of one, never for its letters.

    Args:
        names: A name, or several.
        argument: What the caller knows them as, for the message.

    Returns:
        The names.

    Raises:
        TypeError: If they are something else.

    Example:
        >>> listed("alice", "owners")
        ['alice']
    """
    if isinstance(names, str):
        return [names]
    try:
        found = list(names)
    except TypeError:
        raise _wrong(argument, names) from None
    for name in found:
        if not isinstance(name, str):
            raise _wrong(argument, name)
    return found


def _wrong(argument: str, value: object) -> TypeError:
    kind = type(value).__name__
    return TypeError(
        f"`{argument}` should be a name or a list of names, not {value!r:.80} ({kind})"
    )
