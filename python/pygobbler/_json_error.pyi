# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._json_error import JSONDecodeError as JSONDecodeError
