"""Exceptions that pass between processes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


# What `OSError` keeps outside of its `__dict__`.
_OF_SYSTEM = ("errno", "strerror", "filename", "filename2")


class Portable(BaseException):
    """An exception that can be copied and pickled, with all its attributes and notes.

    Python makes a pickled exception again from its ``args``. Those of ours are the message alone,
    and a pool of processes waits for ever for a result that it cannot read.
    """

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        """Say how it is made again: without its ``__init__``, which may take anything."""
        facts = {**self.__dict__, "args": self.args}
        for name in _OF_SYSTEM:
            if getattr(self, name, None) is not None:
                facts[name] = getattr(self, name)
        return _blank, (type(self),), facts


def _blank(kind: type[Portable]) -> Portable:
    return kind.__new__(kind)
