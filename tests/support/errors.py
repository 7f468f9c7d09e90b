"""What the original's callers see of an error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import requests


@contextlib.contextmanager
def refused(status: int, reason: str = "") -> Iterator[pytest.ExceptionInfo[requests.HTTPError]]:
    """Expect an `HTTPError` whose arguments are this status and a text that begins like this."""
    with pytest.raises(requests.HTTPError) as caught:
        yield caught
    error = caught.value
    assert len(error.args) == 2
    assert error.args[0] == error.errno == status
    assert isinstance(error.args[1], str)
    assert error.args[1] == error.strerror
    assert error.args[1].startswith(reason)
    assert str(error) == f"[Errno {status}] {error.args[1]}"
