"""Packages that only some calls need."""

from __future__ import annotations

from selenite._translating import Translating


class needing(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Say who needs a package that is not installed, and how to install it.

    The body imports it.
    """

    def __init__(self, who: str) -> None:
        """Name who needs it."""
        self._who = who

    def _translate(self, error: BaseException) -> Exception | None:
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            return None
        # A package may itself lack another one; that is the one to install.
        return ModuleNotFoundError(
            f"{self._who} needs {missing(error)}", name=error.name, path=error.path
        )


def missing(error: ModuleNotFoundError) -> str:
    """Name a package that is not installed, and the command that installs it.

    Args:
        error: What its import raised.

    Returns:
        A part of a sentence.
    """
    package = (error.name or "?").partition(".")[0]
    return f"`{package}`, which is not installed (`pip install {package}`)"
