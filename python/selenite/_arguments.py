"""Arguments as callers give them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime
    from typing import Any, Protocol

    class _Datetime64(Protocol):
        """A time of numpy."""

        def astype(self, dtype: str) -> Any:  # noqa: ANN401 (one more time of numpy)
            """Give it in other units."""

    _Time = str | date | _Datetime64
    _Uploaders = str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]]


_TIME = "a datetime, a date or a text like '2030-12-31T23:59:59Z'"


def path_text(path: str | os.PathLike[str], argument: str) -> str:
    """Take the text of a path.

    Args:
        path: A path, of this system or of a registry.
        argument: What the caller knows it as, for the message.

    Returns:
        Its text.

    Raises:
        TypeError: If it is no path.

    Example:
        >>> from pathlib import PurePosixPath
        >>> path_text(PurePosixPath("a/b"), "path")
        'a/b'
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise _wrong(argument, path, "a path: a text or an os.PathLike")
    return text


def check_kind(value: object, kind: Any, argument: str, wanted: str) -> None:  # noqa: ANN401 (a class)
    """Refuse what is of another kind.

    Args:
        value: What was given.
        kind: The kind that is wanted; truth values are no numbers.
        argument: What the caller knows it as, for the message.
        wanted: What is wanted, in words.

    Raises:
        TypeError: If it is something else.

    Example:
        >>> check_kind(5, str, "address", "a text")
        Traceback (most recent call last):
        TypeError: `address` should be a text, not 5 (int)
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _wrong(argument, value, wanted)


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
    found = _each(names, argument, "a name or a list of names")
    for name in found:
        if not isinstance(name, str):
            raise _wrong(argument, name, "a name or a list of names")
    return found


def records(
    given: Mapping[str, Any] | Iterable[Mapping[str, Any]], argument: str
) -> list[dict[str, Any]]:
    """Take one dictionary for a list of one, never for its keys.

    Args:
        given: A dictionary, or several.
        argument: What the caller knows them as, for the message.

    Returns:
        Copies of the dictionaries, with paths as text.

    Raises:
        TypeError: If they are something else.

    Example:
        >>> records({"project": "test"}, "to_delete")
        [{'project': 'test'}]
    """
    from collections.abc import Mapping

    wanted = "a dictionary or a list of dictionaries"
    found = [given] if isinstance(given, Mapping) else _each(given, argument, wanted)
    copies = []
    for record in found:
        if not isinstance(record, Mapping):
            raise _wrong(argument, record, wanted)
        copies.append(
            {
                key: os.fspath(value) if isinstance(value, os.PathLike) else value
                for key, value in record.items()
            }
        )
    return copies


def uploaders(given: _Uploaders) -> list[dict[str, Any]]:
    """Take names for uploaders who may upload everything, and one for a list of one.

    Args:
        given: Names, or dictionaries with ``id`` and possibly ``until`` and other things.

    Returns:
        Dictionaries; times in them that are not text have become so, in UTC.

    Raises:
        TypeError: If they are something else.
        ValueError: If a time is none.

    Example:
        >>> from datetime import date
        >>> uploaders(["bob", {"id": "ann", "until": date(2030, 1, 2)}])
        [{'id': 'bob'}, {'id': 'ann', 'until': '2030-01-02T00:00:00Z'}]
    """
    from collections.abc import Mapping

    wanted = "a name, a dictionary with `id`, or a list of these"
    is_one = isinstance(given, str | Mapping)
    found = [given] if is_one else _each(given, "uploaders", wanted)
    copies: list[dict[str, Any]] = []
    for one in found:
        if isinstance(one, str):
            copies.append({"id": one})
        elif isinstance(one, Mapping):
            copies.append(dict(one))
        else:
            raise _wrong("uploaders", one, wanted)
        until = copies[-1].get("until")
        if until is not None and not isinstance(until, str):
            copies[-1]["until"] = utc_text(until, "until")
    return copies


def utc_text(time: _Time, argument: str) -> str:
    """Write a time as UTC. Without a zone it is taken for UTC; a day begins at midnight.

    Args:
        time: A ``datetime``, a ``date``, a time of numpy or pandas, or a text in ISO 8601.
        argument: What the caller knows it as, for the message.

    Returns:
        The time in the format of RFC 3339.

    Raises:
        TypeError: If it is something else.
        ValueError: If it is a text, or a value of numpy or pandas, that is no time.

    Example:
        >>> utc_text("2030-01-02T03:04:05+01:00", "until")
        '2030-01-02T02:04:05Z'
    """
    from datetime import UTC

    try:
        plain = _datetime(time)
        zoned = plain.replace(tzinfo=UTC) if plain.tzinfo is None else plain.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ValueError(
            f"`{argument}` is no time: {time!r:.80} ({error}); give {_TIME}"
        ) from error
    except TypeError:
        raise _wrong(argument, time, _TIME) from None
    return zoned.isoformat().replace("+00:00", "Z")


def _datetime(time: object) -> datetime:
    from datetime import date, datetime

    if isinstance(time, str):
        return datetime.fromisoformat(time)
    # By its name, as numpy need not be there. Its items are no times if they are nanoseconds.
    if type(time).__name__ == "datetime64":
        time = time.astype("datetime64[us]").item()  # type: ignore[attr-defined]
        if time is None:
            raise ValueError("not a time")
    if isinstance(time, datetime):
        # Of what is derived, such as the time of pandas, only what every datetime has.
        date_and_time = (time.year, time.month, time.day, time.hour, time.minute, time.second)
        if date_and_time[0] != date_and_time[0]:
            raise ValueError("not a time")
        return datetime(*date_and_time, time.microsecond, time.tzinfo, fold=time.fold)
    if isinstance(time, date):
        return datetime(time.year, time.month, time.day)
    raise TypeError


def _each(given: Any, argument: str, wanted: str) -> list[Any]:  # noqa: ANN401 (it is looked at)
    try:
        return list(given)
    except TypeError:
        raise _wrong(argument, given, wanted) from None


def _wrong(argument: str, value: object, wanted: str) -> TypeError:
    return TypeError(f"`{argument}` should be {wanted}, not {value!r:.80} ({type(value).__name__})")
