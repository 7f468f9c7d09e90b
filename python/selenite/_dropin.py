"""Drop-in packages beside their originals.

The wheel holds an extension module ``NAME/__init__.abi3.so`` for each package of
`selenite.dropin`. Python takes it before an original's ``NAME/__init__.py``, whichever was
installed first, and all it does is to call `adopt`. The two distributions share no file, so that
each can come and go without the other.
"""

from __future__ import annotations

import os
import sys

# What `importlib.machinery` and `types` are made of; they themselves would be a part of the time
# that an import takes.
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
else:
    ModuleType = type(sys)

# All names that are taken over, now or later, and the distributions that the originals come in.
DISTRIBUTIONS = {
    "pygobbler": "pygobbler",
    "gypsum_client": "gypsum-client",
    "girder_client": "girder-client",
    "pangea_api": "pangea-api",
    "pytupli": "pytupli",
}

_DIRECTORY = os.path.join(os.path.dirname(__file__), "dropin")

# Of each package that was imported: whether as the original.
_imported: dict[str, bool] = {}


def adopt(module: ModuleType) -> None:
    """Make the package out of a module that its extension module has begun.

    Afterwards it is as if there were no extension module: it is selenite's package or, if
    ``SELENITE_DROPIN`` asks for it, the untouched original. It is never a mix: as long as modules
    of the package are loaded, it is imported again as it was.

    Args:
        module: The module, with the spec by which the extension module was found.

    Raises:
        ImportError: If the original is asked for and is not installed.
        InvalidArgumentError: If ``SELENITE_DROPIN`` has a value that it cannot have.
    """
    spec = module.__spec__
    assert spec is not None
    module.__class__ = _Package
    _redirect(spec)
    assert spec.loader is not None
    assert spec.submodule_search_locations is not None
    module.__loader__ = spec.loader
    module.__file__ = spec.origin
    module.__path__ = spec.submodule_search_locations
    if sys.version_info < (3, 15):
        vars(module)["__cached__"] = spec.cached
    spec.loader.exec_module(module)


class _Package(ModuleType):
    """A package that is executed again by `importlib.reload`, as extension modules are not."""

    def __setattr__(self, name: str, value: object) -> None:
        # A reload looks for the package as an import does, and sets what it has found first.
        if name == "__spec__" and isinstance(value, ModuleSpec) and is_extension(value):
            _redirect(value)
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[object, ...]:
        """Let what pickles modules by their type pickle this one, too."""
        from importlib import import_module

        return import_module, (self.__name__,)


def _redirect(spec: ModuleSpec) -> None:
    """Let the spec of an extension module lead to the package.

    It stays the same object: by it other threads see whether the import still goes on.
    """
    name = spec.name
    if name not in _imported or not any(one.startswith(f"{name}.") for one in list(sys.modules)):
        _imported[name] = wants_original(name)
    if _imported[name]:
        found = original(name)
        if found is None:
            asked = os.environ.get("SELENITE_DROPIN", "")
            message = (
                f"SELENITE_DROPIN={asked} asks for the original of {name!r}, which is not "
                f"installed: install {DISTRIBUTIONS[name]!r}, or unset the variable"
            )
            raise ImportError(message, name=name)
    else:
        found = own(name)
        # Modules that only the original has can be imported, too.
        beside = os.path.dirname(spec.origin or "")
        if os.path.isfile(os.path.join(beside, "__init__.py")):
            assert found.submodule_search_locations is not None
            found.submodule_search_locations.append(beside)
    spec.loader, spec.origin = found.loader, found.origin
    spec.submodule_search_locations = found.submodule_search_locations


def own(name: str) -> ModuleSpec:
    """Say how selenite's package of this name is imported.

    Args:
        name: Name of the package.
    """
    return _package(name, os.path.join(_DIRECTORY, name))


def original(name: str) -> ModuleSpec | None:
    """Find the original package of this name, without an import of anything.

    Args:
        name: Name of the package.

    Returns:
        How it is imported, None if it is not installed.
    """
    for entry in sys.path:
        found = PathFinder.find_spec(name, [entry])
        if found is not None and is_extension(found):
            found = _package(name, os.path.dirname(found.origin or ""))
            if not os.path.isfile(found.origin or ""):
                continue
        # No single module of that name, and no directory in which only type stubs are.
        if found is not None and found.origin is not None and found.submodule_search_locations:
            return found
    return None


def is_built(name: str) -> bool:
    """Say whether selenite has a package of this name.

    Args:
        name: Name of the package.
    """
    return os.path.isfile(own(name).origin or "")


def is_extension(spec: ModuleSpec) -> bool:
    """Say whether an import by this spec comes to `adopt`.

    Args:
        spec: How a package was found.
    """
    return os.path.basename(spec.origin or "") == "__init__.abi3.so"


def wants_original(name: str) -> bool:
    """Say whether the environment asks for the original package of this name.

    Args:
        name: Name of the package.

    Raises:
        InvalidArgumentError: If ``SELENITE_DROPIN`` has a value that it cannot have.
    """
    if not os.environ.get("SELENITE_DROPIN"):
        return False
    from selenite._settings import originals

    return name in originals(DISTRIBUTIONS)


def _package(name: str, directory: str) -> ModuleSpec:
    """The spec of a package of plain files."""
    init = os.path.join(directory, "__init__.py")
    spec = ModuleSpec(name, SourceFileLoader(name, init), origin=init, is_package=True)
    spec.submodule_search_locations = [directory]
    return spec
