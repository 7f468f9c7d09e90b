# Made by scripts/stubs.py.
from selenite.dropin.pytupli._keys import SERVICE as SERVICE
from selenite.dropin.pytupli._keys import _asking as _asking
from selenite.dropin.pytupli._keys import _backend as _backend
from selenite.dropin.pytupli._keys import _failing as _failing
from selenite.dropin.pytupli._keys import _held as _held
from selenite.dropin.pytupli._keys import _keyring as _keyring
from selenite.dropin.pytupli._keys import _refuse as _refuse
from selenite.dropin.pytupli._keys import _unasked as _unasked
from selenite.dropin.pytupli._keys import _warn as _warn
from selenite.dropin.pytupli._keys import drop as drop
from selenite.dropin.pytupli._keys import get as get
from selenite.dropin.pytupli._keys import put as put
from selenite.dropin.pytupli._log import logger as logger
