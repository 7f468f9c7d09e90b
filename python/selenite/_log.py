"""Records of the core for :mod:`logging`: imported when there is one, or one may be shown."""

from __future__ import annotations

import logging
import sys
import time

_NAME = "SELENITE_LOG"
_FORMAT = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"
# Or warnings would be printed where nobody has asked for them.
logging.getLogger("selenite").addHandler(logging.NullHandler())


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg] # is no generic class when it runs
    """Whatever standard error is when a record comes."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        # There is none in programs without a console.
        if self.stream is not None:
            super().emit(record)


def show(level: int | None) -> None:
    """Show the records of the logger ``selenite`` on standard error.

    Args:
        level: From which level on; None for what the program itself asks of the logger.
    """
    logger = logging.getLogger("selenite")
    for handler in [handler for handler in logger.handlers if handler.get_name() == _NAME]:
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET if level is None else level)
    if level is not None:
        handler = _Stderr()
        handler.set_name(_NAME)
        handler.setFormatter(logging.Formatter(_FORMAT, "%H:%M:%S"))
        logger.addHandler(handler)


def emit(records: list[tuple[str, int, float, str]], lost: int) -> None:
    """Hand records of the core to their loggers.

    Args:
        records: Logger, level, seconds since 1970, and text of each.
        lost: How many more there were, for which there was no room.
    """
    for name, level, created, text in records:
        _handle(name, level, created, text)
    if lost:
        _handle(records[-1][0], logging.WARNING, records[-1][2], f"{lost} records were left out")


def tell(text: str) -> None:
    """Tell the log of transfers something.

    Args:
        text: What is told, at the level ``INFO``.
    """
    _handle("selenite.transfer", logging.INFO, time.time(), text)


def _handle(name: str, level: int, created: float, text: str) -> None:
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(name, level, "(selenite)", 0, text, (), None)
    # When it was made, not when it came here.
    record.created, record.msecs = created, created % 1 * 1000
    try:
        logger.handle(record)
    except Exception:
        # As in handlers: what a program does with records is no failure of the call.
        if logging.raiseExceptions:
            import traceback

            traceback.print_exc()
