# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._defaults import bearer as bearer
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client._rest import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._rest import change as change
