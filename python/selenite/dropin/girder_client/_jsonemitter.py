"""JSON that is written piece by piece.

>>> import io
>>> stream = io.StringIO()
>>> emitter = _JSONEmitter(stream)
>>> emitter.start_dict()
>>> emitter.setitem("a", 1)
>>> emitter.start_subcontainer("list")
>>> emitter.start_list()
>>> emitter.append({"b": None})
>>> emitter.end_list()
>>> emitter.end_dict()
>>> print(stream.getvalue())
{
"a": 1,
"list": [
{"b": null}
]
}
"""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO


class _Context:
    """A dictionary or a list that is not ended yet.

    Attributes:
        kind: ``dict`` or ``list``.
        size: How much is in it.
        awaiting_subcontainer: Whether a key was written, and its container is to come.
    """

    size = 0
    awaiting_subcontainer = False

    def __init__(self, kind: str, size: int = 0, awaiting_subcontainer: bool = False) -> None:
        """Begin one."""
        self.kind = kind
        self.size = size
        self.awaiting_subcontainer = awaiting_subcontainer


class _JSONEmitter:
    """Writes one document of JSON while its parts come to be known."""

    def __init__(self, stream: TextIO | None = None, checks: bool = True) -> None:
        """Take the stream.

        Args:
            stream: Where to write, by default what standard output is now.
            checks: Whether calls in an impossible order are an AssertionError.
        """
        self._stream = sys.stdout if stream is None else stream
        self._checks = checks
        self._contexts: list[_Context] = []
        self._ended = False

    def _current(self) -> _Context | None:
        return self._contexts[-1] if self._contexts else None

    def _assert_can_start_container(self, context: _Context | None) -> None:
        if not self._checks:
            return
        if context is None:
            assert not self._ended, "the document has ended"
        elif context.kind == "dict":
            assert context.awaiting_subcontainer, "a dictionary holds containers by their keys"

    def _assert_can_write_dict_item(self, context: _Context | None) -> None:
        if self._checks:
            assert context is not None, "nothing was started"
            assert context.kind == "dict", "a list has no keys"
            assert not context.awaiting_subcontainer, "a container was announced"

    def _assert_can_write_list_item(self, context: _Context | None) -> None:
        if self._checks:
            assert context is not None, "nothing was started"
            assert context.kind == "list", "a dictionary needs keys"

    def _prepare_value(self, context: _Context | None) -> None:
        """Write what stands before the next thing."""
        if context is None:
            return
        if context.awaiting_subcontainer:
            context.awaiting_subcontainer = False
            return
        self._stream.write(",\n" if context.size else "\n")
        context.size += 1

    def _start_container(self, kind: str, opener: str) -> None:
        context = self._current()
        self._assert_can_start_container(context)
        self._prepare_value(context)
        self._stream.write(opener)
        self._contexts.append(_Context(kind))

    def _end_container(self, expected_kind: str, closer: str) -> None:
        context = self._current()
        if self._checks:
            assert context is not None, "nothing was started"
            assert context.kind == expected_kind, f"a {context.kind} is open"
            assert not context.awaiting_subcontainer, "a container was announced"
        is_empty = context is not None and context.size == 0
        self._stream.write(closer if is_empty else f"\n{closer}")
        self._contexts.pop()
        self._ended = not self._contexts

    def start_dict(self) -> None:
        """Begin a dictionary."""
        self._start_container("dict", "{")

    def end_dict(self) -> None:
        """End the dictionary."""
        self._end_container("dict", "}")

    def start_list(self) -> None:
        """Begin a list."""
        self._start_container("list", "[")

    def end_list(self) -> None:
        """End the list."""
        self._end_container("list", "]")

    def setitem(self, key: str, value: Any) -> None:
        """Write a key of the dictionary and its value.

        Args:
            key: The key.
            value: Anything that JSON can hold.
        """
        context = self._current()
        self._assert_can_write_dict_item(context)
        self._prepare_value(context)
        self._stream.write(f"{json.dumps(str(key))}: {json.dumps(value)}")

    def append(self, item: Any) -> None:
        """Write an element of the list.

        Args:
            item: Anything that JSON can hold.
        """
        context = self._current()
        self._assert_can_write_list_item(context)
        self._prepare_value(context)
        self._stream.write(json.dumps(item))

    def start_subcontainer(self, key: str) -> None:
        """Write a key of the dictionary; what it holds is to be started next.

        Args:
            key: The key.
        """
        context = self._current()
        self._assert_can_write_dict_item(context)
        self._prepare_value(context)
        self._stream.write(f"{json.dumps(str(key))}: ")
        if context is not None:
            context.awaiting_subcontainer = True
