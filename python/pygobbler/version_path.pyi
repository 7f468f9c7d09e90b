# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.fetch_directory import fetch_directory as fetch_directory
from selenite.dropin.pygobbler.version_path import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.version_path import version_path as version_path
