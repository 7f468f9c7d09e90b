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
            _name_argument(error)
            try:
                better = self._translate(error)
            except OSError as failure:
                # A class that cannot be loaded.
                better = _advised(failure)
            if better is not None:
                _note(better, error)
                raise better from error

    def _translate(self, error: BaseException) -> Exception | None:
        """Return what to raise instead, None if the exception passes as it is."""
        raise NotImplementedError


_ARGUMENT = "while processing '"


def _name_argument(error: BaseException) -> None:
    """Let the message of a wrong argument say which one it is; the core only notes that."""
    if type(error) is not TypeError or len(error.args) != 1:
        return
    for note in getattr(error, "__notes__", []):
        if note.startswith(_ARGUMENT):
            name = note.removeprefix(_ARGUMENT).rstrip("'")
            if name not in str(error):
                error.args = (f"`{name}`: {error}",)


def _note(better: BaseException, error: BaseException) -> None:
    """Note what was asked for and what came of it, where the message does not tell it."""
    status = getattr(error, "status", None)
    if status is None:
        told = str(error)
    else:
        told = f"{getattr(error, 'method', '')} {getattr(error, 'url', '')} answered {status}"
    if told and told not in str(better):
        better.add_note(told)


def _advised(failure: OSError) -> OSError:
    """Return what kept a module from being loaded, without blaming the module for it."""
    import errno

    if failure.errno not in (errno.EMFILE, errno.ENFILE):
        return failure
    return OSError(
        failure.errno, f"{failure.strerror}; raise the limit of open files (`ulimit -n`)"
    )
