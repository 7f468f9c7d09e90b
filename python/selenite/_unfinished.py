"""Notes of uploads that are not finished, by which a later call goes on with them.

A note is in a folder that only the user may read, since it may hold the secret of a session, and is
held by one process at a time. Where there can be no such folder, uploads go on without notes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from selenite._exceptions import AlreadyExistsError
from selenite._locks import hold, let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from selenite._place import Place

_ONLY_OTHERS = 0o077


def folder() -> Path:
    """Say where notes are: in the user's folder for what programs remember."""
    if sys.platform == "darwin":
        state = "~/Library/Application Support"
    else:
        state = os.environ.get("XDG_STATE_HOME", "").strip() or "~/.local/state"
    try:
        return Path(state).expanduser() / "selenite" / "uploads"
    except RuntimeError:
        # Without a home there can be no folder, and none is below this file.
        return Path(os.devnull, "selenite")


def _sync(folder: Path) -> None:
    """Wait until the names in a folder are on disk, where that is possible."""
    held = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems do that for files alone: the note is there all the same.
        with suppress(OSError):
            os.fsync(held)
    finally:
        os.close(held)


class Unfinished:
    """The note of an upload to one version.

    Attributes:
        known: What an earlier call has noted; None if nothing is left of one.
    """

    def __init__(self, where: Place, names: tuple[str, str, str]) -> None:
        """Name the version.

        Args:
            where: The registry.
            names: Project, asset and version.
        """
        self._address = f"{where.service}:{'/'.join(names)}"
        key = json.dumps([where.service, where.endpoint, where.staging, *names])
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        self._file = folder() / f"{name}.json"
        self._lock: int | None = None
        self.known: Any = None

    @property
    def is_noted(self) -> bool:
        """Whether an earlier call has left a note."""
        return self._file.exists()

    @property
    def journal(self) -> Path | None:
        """Where the core notes what was sent; None if nothing can be noted."""
        return None if self._lock is None else self._file.with_suffix(".sent")

    def __enter__(self) -> Self:
        """Hold the note.

        Raises:
            AlreadyExistsError: If another process is busy with the upload.
        """
        try:
            self._file.parent.mkdir(0o700, parents=True, exist_ok=True)
            found = self._file.parent.stat()
            if found.st_uid != os.geteuid() or found.st_mode & _ONLY_OTHERS:
                return self._without(f"`{self._file.parent}` is not the user's alone")
            self._lock = hold(self._file.with_suffix(".lock"))
        except BlockingIOError:
            raise AlreadyExistsError(
                f"{self._address} is being uploaded by another process",
                address=self._address,
                hint="wait until that has ended",
            ) from None
        except OSError as error:
            return self._without(str(error))
        with suppress(FileNotFoundError, ValueError):  # a note that was cut off is none
            self.known = json.loads(self._file.read_text(encoding="utf-8"))
        return self

    def _without(self, why: str) -> Self:
        from selenite import _log

        _log.tell(f"an upload that is interrupted will not be gone on with: {why}")
        return self

    def note(self, facts: Any) -> None:  # noqa: ANN401 (JSON)
        """Replace the note, and what was noted beside it."""
        if self._lock is None:
            return
        from selenite._placing import placed

        try:
            self._file.with_suffix(".sent").unlink(missing_ok=True)
            with placed(str(self._file), mode=0o600) as file:
                file.write(json.dumps(facts).encode())
            _sync(self._file.parent)
        except OSError as error:
            # What was begun is not to be left to nobody.
            self._without(str(error))
            self.forget()

    def forget(self) -> None:
        """Remove the note: there is nothing to go on with."""
        if self._lock is not None:
            self._remove(".json", ".sent")

    def _remove(self, *suffixes: str) -> None:
        for suffix in suffixes:
            try:
                self._file.with_suffix(suffix).unlink(missing_ok=True)
            except OSError as error:
                self._tell_stays(error)

    def _tell_stays(self, error: OSError) -> None:
        """Tell of a file that cannot be removed: it is about what has ended."""
        from selenite import _log

        _log.tell(f"a note of an upload stays: {error}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let others have the note."""
        if self._lock is not None:
            try:
                let_go(self._file.with_suffix(".lock"), self._lock)
            except OSError as failure:
                self._tell_stays(failure)
            self._lock = None
