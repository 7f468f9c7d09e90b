# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.list_assets import __all__ as __all__
from selenite.dropin.pygobbler.list_assets import list_assets as list_assets
from selenite.dropin.pygobbler.list_projects import list_registry_directories as list_registry_directories
