"""Fast, safe clients and embedded services for scientific data registries."""

from __future__ import annotations

# Type checkers know this name; `typing` itself would double the time of this import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from selenite._core import __version__
    from selenite._exceptions import (
        DigestError,
        InvalidArgumentError,
        LeftOutWarning,
        RegistryError,
        SeleniteError,
        SeleniteWarning,
        StatusError,
        TransportError,
        TransportTimeout,
        UnsafePathError,
    )
    from selenite._progress import ProgressEvent, progress, set_progress

__all__ = [
    "DigestError",
    "InvalidArgumentError",
    "LeftOutWarning",
    "ProgressEvent",
    "RegistryError",
    "SeleniteError",
    "SeleniteWarning",
    "StatusError",
    "TransportError",
    "TransportTimeout",
    "UnsafePathError",
    "__version__",
    "progress",
    "set_progress",
]


def __getattr__(name: str) -> object:
    """Import on first use what most programs do not need."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    if name == "__version__":
        # As `Cargo.toml` has it.
        from selenite._core import __version__

        value: object = __version__
    elif name in {"ProgressEvent", "progress", "set_progress"}:
        from selenite import _progress

        value = getattr(_progress, name)
    else:
        from selenite import _exceptions

        value = getattr(_exceptions, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
