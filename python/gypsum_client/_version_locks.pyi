# Made by scripts/stubs.py.
from selenite.dropin.gypsum_client._version_locks import IS_LOCKED as IS_LOCKED
from selenite.dropin.gypsum_client._version_locks import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.gypsum_client._version_locks import _acquire_lock as _acquire_lock
from selenite.dropin.gypsum_client._version_locks import _release_lock as _release_lock
