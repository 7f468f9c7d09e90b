"""Packages that only some calls need."""

from __future__ import annotations

from selenite._translating import Translating


class needing(Translating):  # noqa: N801 -- reads as a word of the `with` statement
    """Say who needs a package that is not installed, and how to install it.

    The body imports it.
    """

    def __init__(self, who: str, package: str, extra: str | None = None) -> None:
        """Name who needs it, what, and what else is installed to have it."""
        self._who = who
        self._package = package
        self._extra = extra

    def _translate(self, error: BaseException) -> Exception | None:
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            return None
        message = f"{self._who} needs {missing(self._package, error, self._extra)}"
        return ModuleNotFoundError(message, name=error.name, path=error.path)


def missing(package: str, error: ModuleNotFoundError, extra: str | None = None) -> str:
    """Name a package that cannot be imported, and the command that installs it.

    Args:
        package: The package.
        error: What its import raised: a package may itself lack another one, which need not be
            installed by the name that it is imported by.
        extra: What is installed to have the package, by default itself.

    Returns:
        A part of a sentence.
    """
    if error.name is not None and error.name.partition(".")[0] != package:
        return (
            f"`{package}`, which lacks `{error.name}` (`pip install --force-reinstall {package}`)"
        )
    shown = package if extra is None else f"'{extra}'"
    return f"`{package}`, which is not installed (`pip install {shown}`)"
