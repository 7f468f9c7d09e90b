# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.fetch_summary import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.fetch_summary import fetch_summary as fetch_summary
