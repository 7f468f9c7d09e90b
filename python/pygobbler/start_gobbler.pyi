# Made by scripts/stubs.py.
from selenite.dropin.pygobbler.start_gobbler import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler.start_gobbler import _PATIENCE as _PATIENCE
from selenite.dropin.pygobbler.start_gobbler import _given as _given
from selenite.dropin.pygobbler.start_gobbler import _is_alive as _is_alive
from selenite.dropin.pygobbler.start_gobbler import _lock as _lock
from selenite.dropin.pygobbler.start_gobbler import _real_value as _real_value
from selenite.dropin.pygobbler.start_gobbler import _running as _running
from selenite.dropin.pygobbler.start_gobbler import _start as _start
from selenite.dropin.pygobbler.start_gobbler import _stops_at_exit as _stops_at_exit
from selenite.dropin.pygobbler.start_gobbler import _warn_of_differences as _warn_of_differences
from selenite.dropin.pygobbler.start_gobbler import start_gobbler as start_gobbler
from selenite.dropin.pygobbler.start_gobbler import stop_gobbler as stop_gobbler
from selenite.dropin.pygobbler.start_gobbler import test_port as test_port
from selenite.dropin.pygobbler.start_gobbler import test_process as test_process
from selenite.dropin.pygobbler.start_gobbler import test_registry as test_registry
from selenite.dropin.pygobbler.start_gobbler import test_staging as test_staging
