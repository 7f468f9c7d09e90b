"""Fast, safe clients and embedded services for scientific data registries."""

from __future__ import annotations

# Type checkers know this name; `typing` itself would double the time of this import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from selenite._core import __version__
    from selenite._exceptions import (
        AlreadyExistsError,
        DigestError,
        InvalidArgumentError,
        LeftOutWarning,
        NotFoundError,
        OfflineError,
        PermissionDeniedError,
        RegistryError,
        SeleniteError,
        SeleniteWarning,
        StatusError,
        TransportError,
        TransportTimeout,
        UnsafePathError,
    )
    from selenite._manifest import Change, Check, Child, Difference, Entry, Finding, Manifest
    from selenite._object_store import object_store_options
    from selenite._place import configure
    from selenite._progress import ProgressEvent, progress, set_progress
    from selenite._registry import Asset, Project, Registry, Version, open
    from selenite._upload import PlannedFile, UploadPlan, upload

__all__ = [
    "AlreadyExistsError",
    "Asset",
    "Change",
    "Check",
    "Child",
    "Difference",
    "DigestError",
    "Entry",
    "Finding",
    "InvalidArgumentError",
    "LeftOutWarning",
    "Manifest",
    "NotFoundError",
    "OfflineError",
    "PermissionDeniedError",
    "PlannedFile",
    "ProgressEvent",
    "Project",
    "Registry",
    "RegistryError",
    "SeleniteError",
    "SeleniteWarning",
    "StatusError",
    "TransportError",
    "TransportTimeout",
    "UnsafePathError",
    "UploadPlan",
    "Version",
    "__version__",
    "configure",
    "object_store_options",
    "open",
    "progress",
    "set_progress",
    "upload",
]

# Where each name comes from; all others are exceptions.
_PLACES = {
    "__version__": "_core",  # as `Cargo.toml` has it
    **dict.fromkeys(("ProgressEvent", "progress", "set_progress"), "_progress"),
    **dict.fromkeys(("Asset", "Project", "Registry", "Version", "open"), "_registry"),
    **dict.fromkeys(
        ("Change", "Check", "Child", "Difference", "Entry", "Finding", "Manifest"), "_manifest"
    ),
    **dict.fromkeys(("PlannedFile", "UploadPlan", "upload"), "_upload"),
    "configure": "_place",
    "object_store_options": "_object_store",
}


def __getattr__(name: str) -> object:
    """Import on first use what most programs do not need."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value: object = getattr(import_module(f"selenite.{_PLACES.get(name, '_exceptions')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
