# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import CacheDir as CacheDir
from selenite.dropin.gypsum_client._defaults import DEFAULT as DEFAULT
from selenite.dropin.gypsum_client._defaults import cache as cache
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import saving as saving
from selenite.dropin.gypsum_client._locks import BUCKET_CACHE_NAME as BUCKET_CACHE_NAME
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
from selenite.dropin.gypsum_client.clone_operations import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client.clone_operations import __all__ as __all__
from selenite.dropin.gypsum_client.clone_operations import clone_version as clone_version
from selenite.dropin.gypsum_client.fetch_operations import fetch_manifest as fetch_manifest
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
from selenite.dropin.gypsum_client.save_operations import save_version as save_version
