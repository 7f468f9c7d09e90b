# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._errors import GypsumConnectionError as GypsumConnectionError
from selenite.dropin.gypsum_client._errors import GypsumContentError as GypsumContentError
from selenite.dropin.gypsum_client._errors import GypsumError as GypsumError
from selenite.dropin.gypsum_client._errors import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._errors import _kind as _kind
from selenite.dropin.gypsum_client._errors import checked as checked
from selenite.dropin.gypsum_client._errors import hinting as hinting
from selenite.dropin.gypsum_client._errors import of_status as of_status
from selenite.dropin.gypsum_client._errors import saving as saving
from selenite.dropin.gypsum_client._errors import translated as translated
