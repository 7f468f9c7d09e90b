# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._changes import change as change
from selenite.dropin.gypsum_client._forms import _remove_slash_url as _remove_slash_url
from selenite.dropin.gypsum_client.auth import access_token as access_token
from selenite.dropin.gypsum_client.remove_operations import __all__ as __all__
from selenite.dropin.gypsum_client.remove_operations import _remove as _remove
from selenite.dropin.gypsum_client.remove_operations import _request_removal as _request_removal
from selenite.dropin.gypsum_client.remove_operations import remove_asset as remove_asset
from selenite.dropin.gypsum_client.remove_operations import remove_project as remove_project
from selenite.dropin.gypsum_client.remove_operations import remove_version as remove_version
from selenite.dropin.gypsum_client.remove_operations import unlock_project as unlock_project
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
