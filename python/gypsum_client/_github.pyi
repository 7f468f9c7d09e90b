# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._errors import GypsumError as GypsumError
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client._github import AUTH_CODE as AUTH_CODE
from selenite.dropin.gypsum_client._github import __all__ as __all__
from selenite.dropin.gypsum_client._github import github_access_token as github_access_token
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
