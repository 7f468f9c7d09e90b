# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.validate_version import validate_version as validate_version
