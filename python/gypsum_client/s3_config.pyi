# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import CacheDir as CacheDir
from selenite.dropin.gypsum_client._defaults import optional_cache as optional_cache
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import GypsumError as GypsumError
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client.cache_directory import cache_directory as cache_directory
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
from selenite.dropin.gypsum_client.s3_config import CREDS_CACHE as CREDS_CACHE
from selenite.dropin.gypsum_client.s3_config import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client.s3_config import _WEEK_SECONDS as _WEEK_SECONDS
from selenite.dropin.gypsum_client.s3_config import __all__ as __all__
from selenite.dropin.gypsum_client.s3_config import _config_cache_path as _config_cache_path
from selenite.dropin.gypsum_client.s3_config import _is_sound as _is_sound
from selenite.dropin.gypsum_client.s3_config import _stored as _stored
from selenite.dropin.gypsum_client.s3_config import public_s3_config as public_s3_config
