# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.reroute_links import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.reroute_links import reroute_links as reroute_links
