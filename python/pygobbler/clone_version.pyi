# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.clone_version import __all__ as __all__
from selenite.dropin.pygobbler.clone_version import clone_version as clone_version
from selenite.dropin.pygobbler.fetch_manifest import fetch_manifest as fetch_manifest
