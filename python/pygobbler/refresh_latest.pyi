# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.refresh_latest import refresh_latest as refresh_latest
