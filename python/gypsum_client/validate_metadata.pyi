# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client.validate_metadata import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client.validate_metadata import validate_metadata as validate_metadata
