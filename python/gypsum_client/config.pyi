# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
from selenite.dropin.gypsum_client.config import TYPE_CHECKING as TYPE_CHECKING
