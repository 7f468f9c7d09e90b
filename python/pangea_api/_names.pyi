# Made by scripts/stubs.py.
from selenite.dropin.pangea_api._names import _EXTENSION as _EXTENSION
from selenite.dropin.pangea_api._names import _safe as _safe
from selenite.dropin.pangea_api._names import blob_filename as blob_filename
from selenite.dropin.pangea_api._names import inside as inside
from selenite.dropin.pangea_api._names import referenced_filename as referenced_filename
