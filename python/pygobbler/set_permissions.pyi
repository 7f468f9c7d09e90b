# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.fetch_permissions import fetch_permissions as fetch_permissions
from selenite.dropin.pygobbler.set_permissions import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.set_permissions import __all__ as __all__
from selenite.dropin.pygobbler.set_permissions import _merged as _merged
from selenite.dropin.pygobbler.set_permissions import set_permissions as set_permissions
