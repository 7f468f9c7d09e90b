# Made by scripts/stubs.py.
from selenite.dropin.girder_client._errors import AuthenticationError as AuthenticationError
from selenite.dropin.girder_client._errors import HttpError as HttpError
from selenite.dropin.girder_client._login import _OTP as _OTP
from selenite.dropin.girder_client._login import _ask as _ask
from selenite.dropin.girder_client._login import _asked_again as _asked_again
from selenite.dropin.girder_client._login import _renewing as _renewing
from selenite.dropin.girder_client._login import by_key as by_key
from selenite.dropin.girder_client._login import by_password as by_password
from selenite.dropin.girder_client._login import refused as refused
from selenite.dropin.girder_client._login import renewed as renewed
