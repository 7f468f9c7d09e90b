# Made by scripts/stubs.py.
from selenite.dropin.girder_client._names import _MOST_BYTES as _MOST_BYTES
from selenite.dropin.girder_client._names import _control as _control
from selenite.dropin.girder_client._names import _device as _device
from selenite.dropin.girder_client._names import _safeNameRegex as _safeNameRegex
from selenite.dropin.girder_client._names import _windows as _windows
from selenite.dropin.girder_client._names import local_name as local_name
from selenite.dropin.girder_client._names import shortened as shortened
from selenite.dropin.girder_client._names import unused_name as unused_name
