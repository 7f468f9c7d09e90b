"""The core's exceptions as those of a package that stands on it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Translating:
    """A context that raises another exception in place of some, from the first one."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise the translated exception, if there is one."""
        if error is not None:
            try:
                better = self._translate(error)
            except OSError as failure:
                # A class that cannot be loaded.
                better = _advised(failure)
            if better is not None:
                raise better from error

    def _translate(self, error: BaseException) -> Exception | None:
        """Return what to raise instead, None if the exception passes as it is."""
        raise NotImplementedError


def _advised(failure: OSError) -> OSError:
    """Return what kept a module from being loaded, without blaming the module for it."""
    import errno

    if failure.errno not in (errno.EMFILE, errno.ENFILE):
        return failure
    return OSError(
        failure.errno, f"{failure.strerror}; raise the limit of open files (`ulimit -n`)"
    )
