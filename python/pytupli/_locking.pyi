# Made by scripts/stubs.py.
from selenite.dropin.pytupli._locking import _file_lock as _file_lock
from selenite.dropin.pytupli._locking import _known as _known
from selenite.dropin.pytupli._locking import locked as locked
from selenite.dropin.pytupli._log import logger as logger
