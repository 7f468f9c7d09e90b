"""When files may be moved in a way of our own, because nobody would miss a request.

The plain way is one after the other, each request through the client's own methods. It is taken
where somebody has replaced one of these methods or something of ``requests``, or has given the
client a session: whoever does that wants to see the requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenite import _rest

if TYPE_CHECKING:
    from . import GirderClient

# What subclasses may do as they like: no request goes through it, or none of a file.
_FREE = {"__init__", "authenticate", "setToken", "session", "transformFilename"}
_ALWAYS = {"__class__", "__doc__", "__module__", "__weakref__", "__dict__"}
# The methods as they were defined, of each class of clients that is ours.
_own: dict[str, list[object]] = {}


def remember(kind: type) -> None:
    """Note the methods of a class of clients: a test may replace them later.

    Args:
        kind: The class.
    """
    for name in vars(kind):
        value = getattr(kind, name)
        if callable(value) and name not in _ALWAYS:
            _own.setdefault(name, []).append(value)


def own_method(gc: GirderClient, name: str) -> bool:
    """Say whether a method of a client is one of this package.

    Args:
        gc: The client.
        name: Name of the method.
    """
    found = getattr(type(gc), name, None)
    return name not in vars(gc) and any(found is one for one in _own[name])


def is_plain(gc: GirderClient) -> bool:
    """Say whether files may be moved side by side, and by the core.

    Args:
        gc: The client.
    """
    is_ours = gc._session is None or isinstance(gc._session, _rest.Session)
    if not is_ours or _rest.is_replaced():
        return False
    return all(own_method(gc, name) for name in _own if name not in _FREE and hasattr(gc, name))
