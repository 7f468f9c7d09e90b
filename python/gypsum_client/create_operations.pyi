# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._changes import change as change
from selenite.dropin.gypsum_client._forms import _remove_slash_url as _remove_slash_url
from selenite.dropin.gypsum_client._forms import _sanitize_uploaders as _sanitize_uploaders
from selenite.dropin.gypsum_client.auth import access_token as access_token
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
from selenite.dropin.gypsum_client.create_operations import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client.create_operations import __all__ as __all__
from selenite.dropin.gypsum_client.create_operations import create_project as create_project
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
