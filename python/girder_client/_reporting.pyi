# Made by scripts/stubs.py.
from selenite.dropin.girder_client._reporting import _NoopProgressReporter as _NoopProgressReporter
from selenite.dropin.girder_client._reporting import _ProgressBytesIO as _ProgressBytesIO
from selenite.dropin.girder_client._reporting import _local as _local
from selenite.dropin.girder_client._reporting import _logger as _logger
from selenite.dropin.girder_client._reporting import collected as collected
from selenite.dropin.girder_client._reporting import say as say
