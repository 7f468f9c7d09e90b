# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._errors import GypsumError as GypsumError
from selenite.dropin.gypsum_client._listener import Listener as Listener
from selenite.dropin.gypsum_client._listener import PORT as PORT
from selenite.dropin.gypsum_client._listener import _Handler as _Handler
from selenite.dropin.gypsum_client._listener import _LIMIT_SECONDS as _LIMIT_SECONDS
