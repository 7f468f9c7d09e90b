# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._changes import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._changes import change as change
from selenite.dropin.gypsum_client._defaults import site as site
from selenite.dropin.gypsum_client._errors import translated as translated
from selenite.dropin.gypsum_client.auth import _bearer as _bearer
