"""Work that goes on side by side, and is told of in the order of one thing after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from selenite import _rest, _settings

from . import _reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any

    from . import GirderClient

_TICK_SECONDS = 0.05
# Files on their way: what takes long is the way there and back, not work of this machine. With more
# of them a Girder nearby, which has one processor, gets slower.
_AT_ONCE = 8
# How much may be begun before the first of it is told of.
_AHEAD = 2000
# How long to wait for what was stopped.
_PATIENCE_SECONDS = 10.0
_SHORT_PATIENCE_SECONDS = 0.3
_local = threading.local()


class Stopped(Exception):  # noqa: N818 -- nobody outside sees it
    """The work is not wanted any more."""


class _Part:
    """Progress of one file, told by whoever moves it."""

    def __init__(self, task: Task, label: str, length: int) -> None:
        self.task = task
        self.label = label
        self.length = length
        self.count = 0
        self.is_over = False

    def update(self, count: int) -> None:
        self.count += count
        self.task.check()


def _nothing() -> None:
    pass


class Task:
    """Something that is done by a thread of a `Team`."""

    def __init__(self, team: Team, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Take what is to be done, and what the calling thread does then: it may begin more."""
        self._team = team
        self._work = work
        self.then = then
        self.parts: list[_Part] = []
        self.lines: list[str] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = threading.Event()
        # Begins it, if it was put off.
        self.begin: Callable[[], object] = _nothing

    def check(self) -> None:
        """Fail if the work is not wanted any more."""
        if self._team.is_stopped:
            raise Stopped

    def run(self) -> None:
        """Do it, in a thread of the team."""
        before: Task | None = getattr(_local, "task", None)
        _local.task = self
        try:
            self.check()
            with _rest.limited(), _reporting.collected() as self.lines:
                self.result = self._work()
        except BaseException as error:
            self.error = error
        finally:
            _local.task = before
            for part in self.parts:
                part.is_over = True
            self.over.set()

    def end(self, result: Any = None, error: BaseException | None = None) -> None:
        """Take what came of it in another way."""
        self.result, self.error = result, error
        self.over.set()

    def value(self) -> Any:
        """The result, once it is there."""
        while not self.over.wait(_TICK_SECONDS):
            pass
        if self.error is not None:
            raise self.error
        return self.result


class Team:
    """Threads for one call, and what they have done, in order.

    With a single worker all is done at once by the calling thread.
    """

    def __init__(self, gc: GirderClient, workers: int) -> None:
        """Take the client that the call is made of, and how many threads there may be."""
        self._gc = gc
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._waiting: SimpleQueue[Task | None] = SimpleQueue()
        self._told: deque[Task | Callable[[], object]] = deque()
        self.is_stopped = False

    @property
    def is_alone(self) -> bool:
        """Whether all is done by the calling thread."""
        return self._workers == 1

    def __enter__(self) -> Team:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell of all that was done, or stop everything."""
        try:
            if error is None:
                self.finish()
        except BaseException as failure:
            error = failure
            raise
        finally:
            self.is_stopped = True
            for _ in self._threads:
                self._waiting.put(None)
            is_hasty = error is not None and not isinstance(error, Exception)
            patience = _SHORT_PATIENCE_SECONDS if is_hasty else _PATIENCE_SECONDS
            end = time.monotonic() + patience
            for thread in self._threads:
                thread.join(max(0.0, end - time.monotonic()))

    def tell(self, action: Callable[[], object]) -> None:
        """Do something in the calling thread once all before it is told of."""
        if self.is_alone:
            action()
        else:
            self._told.append(action)
            self._advance()

    def do(self, work: Callable[[], Any], then: Callable[[Any], object] = lambda _: None) -> None:
        """Let a thread do something; what it says and shows is told in order."""
        if self.is_alone:
            then(work())
            return
        self.add(self.begin(Task(self, work, then)))

    def put_off(
        self, work: Callable[[], Any], then: Callable[[Any], object], begin: Callable[[], object]
    ) -> Task:
        """Let something be done that somebody else begins, or ends: `begin` makes him do so."""
        task = Task(self, work, then)
        task.begin = begin
        self.add(task)
        return task

    def add(self, task: Task) -> None:
        """Tell of what is done already, or will be, once all before it is told of."""
        self._told.append(task)
        while len(self._told) > _AHEAD:
            self._tell_first()
        self._advance()

    def ask(self, work: Callable[[], Any]) -> Task:
        """Let a thread find something out; `Task.value` waits for it."""
        if self.is_alone:
            task = Task(self, work, lambda _: None)
            task.result = work()
            task.over.set()
            return task
        return self.begin(Task(self, work, lambda _: None))

    def finish(self) -> None:
        """Wait for everything, and tell of it."""
        while self._told:
            self._tell_first()

    def begin(self, task: Task) -> Task:
        """Let a thread do what a task is about."""
        self._waiting.put(task)
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._serve, name="girder-transfer", daemon=True)
            thread.start()
            self._threads.append(thread)
        return task

    def _serve(self) -> None:
        while (task := self._waiting.get()) is not None:
            task.run()

    def _advance(self) -> None:
        """Tell of what is over."""
        while self._told:
            first = self._told[0]
            if isinstance(first, Task) and not first.over.is_set():
                return
            self._tell_first()

    def _tell_first(self) -> None:
        first = self._told.popleft()
        if not isinstance(first, Task):
            first()
            return
        first.begin()
        at = 0
        while not first.over.wait(_TICK_SECONDS if not first.parts else 0):
            if at < len(first.parts):
                self._show(first, first.parts[at])
                at += 1
            else:
                first.over.wait(_TICK_SECONDS)
        for part in first.parts[at:]:
            self._show(first, part)
        for line in first.lines:
            _reporting.say(self._gc, line)
        if first.error is not None:
            raise first.error
        # What this begins is told of before all that was begun later.
        later, self._told = self._told, deque()
        first.then(first.result)
        self._told.extend(later)

    def _show(self, task: Task, part: _Part) -> None:
        if task.error is not None and part.count == 0:
            return
        told = 0
        with self._gc.progressReporterCls(label=part.label, length=part.length) as reporter:
            while True:
                is_over = part.is_over or task.over.wait(_TICK_SECONDS)
                if part.count > told:
                    reporter.update(part.count - told)
                    told = part.count
                if is_over:
                    return


@contextmanager
def reporting(gc: GirderClient, label: str, length: int) -> Iterator[Any]:
    """Report the progress of one file: by the client's reporter, in the thread that made the call.

    Args:
        gc: The client.
        label: Name of the file.
        length: Its size.

    Yields:
        What has the method ``update``, to be called with a number of bytes.
    """
    task: Task | None = getattr(_local, "task", None)
    if task is None:
        with gc.progressReporterCls(label=label, length=length) as reporter:
            yield reporter
        return
    part = _Part(task, label, length)
    task.parts.append(part)
    try:
        yield part
    finally:
        part.is_over = True


def reported(task: Task, label: str, length: int) -> None:
    """Report a file that came whole, in another way than by its task.

    Args:
        task: The task.
        label: Name of the file.
        length: Its size.
    """
    part = _Part(task, label, length)
    part.count, part.is_over = length, True
    task.parts.append(part)


def check() -> None:
    """Fail if the work of this thread is not wanted any more."""
    task: Task | None = getattr(_local, "task", None)
    if task is not None:
        task.check()


def pause(seconds: float) -> None:
    """Wait, but not longer than the work is wanted.

    Args:
        seconds: How long.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _TICK_SECONDS))


def workers(gc: GirderClient) -> int:
    """How many files a client moves at once.

    Args:
        gc: The client.
    """
    if gc.maxWorkers is not None:
        return max(1, int(gc.maxWorkers))
    return _settings.jobs(_AT_ONCE)
