# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.allocate_upload_directory import allocate_upload_directory as allocate_upload_directory
