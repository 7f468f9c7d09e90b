# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._utils import dump_request as dump_request
from selenite.dropin.pygobbler.reindex_version import reindex_version as reindex_version
