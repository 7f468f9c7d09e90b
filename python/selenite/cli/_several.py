"""Many pieces of work side by side, which end together when the command is interrupted."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from selenite._progress import current_stop, stopping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    _T = TypeVar("_T")

# They only wait: how many transfers go on at once, the core says.
_AT_ONCE = 16


def side_by_side(tasks: Sequence[Callable[[], _T]]) -> Iterator[_T | Exception]:
    """Do pieces of work in threads.

    Args:
        tasks: What is to be done.

    Yields:
        What each has returned or raised, in their order.
    """
    stop = current_stop() or threading.Event()

    def done(task: Callable[[], _T]) -> _T:
        with stopping(stop):
            return task()

    with ThreadPoolExecutor(min(_AT_ONCE, len(tasks) or 1)) as pool:
        futures = [pool.submit(done, task) for task in tasks]
        try:
            for future in futures:
                error = future.exception()
                if error is None:
                    yield future.result()
                elif isinstance(error, Exception):
                    yield error
                else:
                    raise error
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
