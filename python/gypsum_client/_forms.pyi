# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import base_of as base_of
from selenite.dropin.gypsum_client._forms import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._forms import _cast_datetime as _cast_datetime
from selenite.dropin.gypsum_client._forms import _remove_slash_url as _remove_slash_url
from selenite.dropin.gypsum_client._forms import _sanitize_path as _sanitize_path
from selenite.dropin.gypsum_client._forms import _sanitize_uploaders as _sanitize_uploaders
