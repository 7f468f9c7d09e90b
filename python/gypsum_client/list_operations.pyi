# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client._reading import _list_for_prefix as _list_for_prefix
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
from selenite.dropin.gypsum_client.list_operations import __all__ as __all__
from selenite.dropin.gypsum_client.list_operations import list_assets as list_assets
from selenite.dropin.gypsum_client.list_operations import list_files as list_files
from selenite.dropin.gypsum_client.list_operations import list_projects as list_projects
from selenite.dropin.gypsum_client.list_operations import list_versions as list_versions
from selenite.dropin.gypsum_client.rest_url import rest_url as rest_url
