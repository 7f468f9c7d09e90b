# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client.cache_directory import __getattr__ as __getattr__
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
