# Made by scripts/stubs.py.
from selenite.dropin.girder_client import _reporting as _reporting
from selenite.dropin.girder_client._together import Stopped as Stopped
from selenite.dropin.girder_client._together import Task as Task
from selenite.dropin.girder_client._together import Team as Team
from selenite.dropin.girder_client._together import _AHEAD as _AHEAD
from selenite.dropin.girder_client._together import _AT_ONCE as _AT_ONCE
from selenite.dropin.girder_client._together import _PATIENCE_SECONDS as _PATIENCE_SECONDS
from selenite.dropin.girder_client._together import _Part as _Part
from selenite.dropin.girder_client._together import _SHORT_PATIENCE_SECONDS as _SHORT_PATIENCE_SECONDS
from selenite.dropin.girder_client._together import _TICK_SECONDS as _TICK_SECONDS
from selenite.dropin.girder_client._together import _local as _local
from selenite.dropin.girder_client._together import _nothing as _nothing
from selenite.dropin.girder_client._together import check as check
from selenite.dropin.girder_client._together import pause as pause
from selenite.dropin.girder_client._together import reported as reported
from selenite.dropin.girder_client._together import reporting as reporting
from selenite.dropin.girder_client._together import workers as workers
