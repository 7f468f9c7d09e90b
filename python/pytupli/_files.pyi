# Made by scripts/stubs.py.
from selenite.dropin.pytupli._files import placed as placed
from selenite.dropin.pytupli._files import target_of as target_of
