# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler._utils import expect as expect
from selenite.dropin.pygobbler.fetch_usage import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.fetch_usage import fetch_usage as fetch_usage
