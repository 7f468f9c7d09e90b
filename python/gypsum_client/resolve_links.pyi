# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import CacheDir as CacheDir
from selenite.dropin.gypsum_client._defaults import DEFAULT as DEFAULT
from selenite.dropin.gypsum_client._defaults import cache as cache
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import saving as saving
from selenite.dropin.gypsum_client._locks import BUCKET_CACHE_NAME as BUCKET_CACHE_NAME
from selenite.dropin.gypsum_client._version_locks import _acquire_lock as _acquire_lock
from selenite.dropin.gypsum_client._version_locks import _release_lock as _release_lock
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
from selenite.dropin.gypsum_client.fetch_operations import fetch_manifest as fetch_manifest
from selenite.dropin.gypsum_client.resolve_links import __all__ as __all__
from selenite.dropin.gypsum_client.resolve_links import resolve_links as resolve_links
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
