# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler._utils import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler._utils import expect as expect
from selenite.dropin.pygobbler._utils import format_error as format_error
