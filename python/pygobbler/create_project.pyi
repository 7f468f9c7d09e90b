# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.create_project import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.create_project import create_project as create_project
