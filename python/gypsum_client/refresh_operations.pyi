# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._changes import change as change
from selenite.dropin.gypsum_client._errors import checked as checked
from selenite.dropin.gypsum_client._forms import _remove_slash_url as _remove_slash_url
from selenite.dropin.gypsum_client.auth import access_token as access_token
from selenite.dropin.gypsum_client.refresh_operations import __all__ as __all__
from selenite.dropin.gypsum_client.refresh_operations import refresh_latest as refresh_latest
from selenite.dropin.gypsum_client.refresh_operations import refresh_usage as refresh_usage
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
