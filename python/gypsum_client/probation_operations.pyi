# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._changes import change as change
from selenite.dropin.gypsum_client._forms import _remove_slash_url as _remove_slash_url
from selenite.dropin.gypsum_client.auth import access_token as access_token
from selenite.dropin.gypsum_client.probation_operations import __all__ as __all__
from selenite.dropin.gypsum_client.probation_operations import _decide as _decide
from selenite.dropin.gypsum_client.probation_operations import approve_probation as approve_probation
from selenite.dropin.gypsum_client.probation_operations import reject_probation as reject_probation
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
