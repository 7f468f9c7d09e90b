# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import CacheDir as CacheDir
from selenite.dropin.gypsum_client._defaults import DEFAULT as DEFAULT
from selenite.dropin.gypsum_client._defaults import base_of as base_of
from selenite.dropin.gypsum_client._defaults import optional_cache as optional_cache
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client._locks import fresh as fresh
from selenite.dropin.gypsum_client._locks import locked as locked
from selenite.dropin.gypsum_client._locks import place as place
from selenite.dropin.gypsum_client._reading import _is_page as _is_page
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
from selenite.dropin.gypsum_client.fetch_metadata_schema import _BASE as _BASE
from selenite.dropin.gypsum_client.fetch_metadata_schema import __all__ as __all__
from selenite.dropin.gypsum_client.fetch_metadata_schema import _is_schema as _is_schema
from selenite.dropin.gypsum_client.fetch_metadata_schema import fetch_metadata_schema as fetch_metadata_schema
