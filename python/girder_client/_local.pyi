# Made by scripts/stubs.py.
from selenite.dropin.girder_client._downloads import placed as placed
from selenite.dropin.girder_client._local import Local as Local
from selenite.dropin.girder_client._local import NAME as NAME
from selenite.dropin.girder_client._local import _KEY as _KEY
from selenite.dropin.girder_client._reporting import say as say
