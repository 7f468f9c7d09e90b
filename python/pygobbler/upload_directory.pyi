# Made by scripts/stubs.py.
from selenite.dropin.pygobbler._errors import translated as translated
from selenite.dropin.pygobbler.allocate_upload_directory import allocate_upload_directory as allocate_upload_directory
from selenite.dropin.pygobbler.upload_directory import _NAMES as _NAMES
from selenite.dropin.pygobbler.upload_directory import _OF_ZARR as _OF_ZARR
from selenite.dropin.pygobbler.upload_directory import __all__ as __all__
from selenite.dropin.pygobbler.upload_directory import _told as _told
from selenite.dropin.pygobbler.upload_directory import _top as _top
from selenite.dropin.pygobbler.upload_directory import _warn as _warn
from selenite.dropin.pygobbler.upload_directory import compute_md5sum as compute_md5sum
from selenite.dropin.pygobbler.upload_directory import upload_directory as upload_directory
