# Made by scripts/stubs.py.
from selenite.dropin.pygobbler.unpack_path import unpack_path as unpack_path
