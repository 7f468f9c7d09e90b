# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.approve_probation import approve_probation as approve_probation
