# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import CacheDir as CacheDir
from selenite.dropin.gypsum_client._defaults import DEFAULT as DEFAULT
from selenite.dropin.gypsum_client._defaults import cache as cache
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client._forms import _sanitize_path as _sanitize_path
from selenite.dropin.gypsum_client._locks import BUCKET_CACHE_NAME as BUCKET_CACHE_NAME
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
from selenite.dropin.gypsum_client.prepare_directory_for_upload import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client.prepare_directory_for_upload import __all__ as __all__
from selenite.dropin.gypsum_client.prepare_directory_for_upload import _match_path_to_cache as _match_path_to_cache
from selenite.dropin.gypsum_client.prepare_directory_for_upload import _normalize_and_sanitize_path as _normalize_and_sanitize_path
from selenite.dropin.gypsum_client.prepare_directory_for_upload import prepare_directory_upload as prepare_directory_upload
