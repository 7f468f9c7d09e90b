# Made by scripts/stubs.py.
from selenite.dropin.pytupli._log import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pytupli._log import logger as logger
