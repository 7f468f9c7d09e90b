# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import TYPE_CHECKING as TYPE_CHECKING
from selenite.dropin.pygobbler._errors import _of_requests as _of_requests
from selenite.dropin.pygobbler._errors import _of_system as _of_system
from selenite.dropin.pygobbler._errors import _response as _response
from selenite.dropin.pygobbler._errors import _translated as _translated
from selenite.dropin.pygobbler._errors import translated as translated
