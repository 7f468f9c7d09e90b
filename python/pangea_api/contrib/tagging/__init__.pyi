# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.contrib.tagging import __all__ as __all__
from selenite.dropin.pangea_api.contrib.tagging.tag import Tag as Tag
