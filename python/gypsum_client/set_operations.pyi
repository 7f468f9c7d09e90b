# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._changes import change as change
from selenite.dropin.gypsum_client._forms import _remove_slash_url as _remove_slash_url
from selenite.dropin.gypsum_client._forms import _sanitize_uploaders as _sanitize_uploaders
from selenite.dropin.gypsum_client.auth import access_token as access_token
from selenite.dropin.gypsum_client.fetch_operations import fetch_permissions as fetch_permissions
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
from selenite.dropin.gypsum_client.set_operations import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client.set_operations import __all__ as __all__
from selenite.dropin.gypsum_client.set_operations import set_permissions as set_permissions
from selenite.dropin.gypsum_client.set_operations import set_quota as set_quota
