# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.fetch_manifest import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.fetch_manifest import fetch_manifest as fetch_manifest
