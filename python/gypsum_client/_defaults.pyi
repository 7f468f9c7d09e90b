# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import CacheDir as CacheDir
from selenite.dropin.gypsum_client._defaults import DEFAULT as DEFAULT
from selenite.dropin.gypsum_client._defaults import Default as Default
from selenite.dropin.gypsum_client._defaults import base_of as base_of
from selenite.dropin.gypsum_client._defaults import cache as cache
from selenite.dropin.gypsum_client._defaults import optional_cache as optional_cache
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
