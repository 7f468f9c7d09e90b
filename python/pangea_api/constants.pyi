# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.constants import FIVE_MB as FIVE_MB
