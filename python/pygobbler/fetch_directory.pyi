# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.fetch_directory import _acquire_file as _acquire_file
from selenite.dropin.pygobbler.fetch_directory import _acquire_file_raw as _acquire_file_raw
from selenite.dropin.pygobbler.fetch_directory import _local_registry as _local_registry
from selenite.dropin.pygobbler.fetch_directory import fetch_directory as fetch_directory
