# Made by scripts/stubs.py.
from selenite.dropin.pytupli._errors import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pytupli._errors import TupliConnectionError as TupliConnectionError
from selenite.dropin.pytupli._errors import TupliStorageError as TupliStorageError
from selenite.dropin.pytupli._errors import TupliTimeoutError as TupliTimeoutError
from selenite.dropin.pytupli._errors import _PLACE as _PLACE
from selenite.dropin.pytupli._errors import error_with as error_with
