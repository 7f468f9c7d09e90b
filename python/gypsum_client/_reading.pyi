# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import GypsumError as GypsumError
from selenite.dropin.gypsum_client._errors import checked as checked
from selenite.dropin.gypsum_client._errors import saving as saving
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client._reading import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._reading import _download_and_rename_file as _download_and_rename_file
from selenite.dropin.gypsum_client._reading import _fetch_cacheable_json as _fetch_cacheable_json
from selenite.dropin.gypsum_client._reading import _fetch_json as _fetch_json
from selenite.dropin.gypsum_client._reading import _is_page as _is_page
from selenite.dropin.gypsum_client._reading import _list_for_prefix as _list_for_prefix
from selenite.dropin.gypsum_client._reading import _rename_file as _rename_file
from selenite.dropin.gypsum_client._reading import _save_file as _save_file
from selenite.dropin.gypsum_client.config import REQUESTS_MOD as REQUESTS_MOD
