# Made by scripts/stubs.py.
from selenite.dropin.girder_client import GirderClient as _GirderClient
from selenite.dropin.girder_client import _bodies as _bodies
from selenite.dropin.girder_client.legacy import GirderClient as GirderClient
