# Made by scripts/stubs.py.
from selenite.dropin.pytupli._errors import TupliStorageError as TupliStorageError
from selenite.dropin.pytupli._sources import BLOCK as BLOCK
from selenite.dropin.pytupli._sources import Source as Source
from selenite.dropin.pytupli._sources import _Held as _Held
from selenite.dropin.pytupli._sources import _SPOOLED as _SPOOLED
from selenite.dropin.pytupli._sources import _is_file as _is_file
from selenite.dropin.pytupli._sources import _path as _path
from selenite.dropin.pytupli._sources import _view as _view
from selenite.dropin.pytupli._sources import opened as opened
