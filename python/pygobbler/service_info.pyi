# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.service_info import service_info as service_info
