# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.fetch_directory import _acquire_file_raw as _acquire_file_raw
from selenite.dropin.pygobbler.fetch_directory import _local_registry as _local_registry
from selenite.dropin.pygobbler.fetch_file import __all__ as __all__
from selenite.dropin.pygobbler.fetch_file import fetch_file as fetch_file
