# Made by scripts/stubs.py.
from selenite.dropin.pangea_api._local import download_all as download_all
from selenite.dropin.pangea_api._local import download_field as download_field
from selenite.dropin.pangea_api._local import fields_of as fields_of
from selenite.dropin.pangea_api._local import placed as placed
from selenite.dropin.pangea_api._local import write_blob as write_blob
from selenite.dropin.pangea_api._names import inside as inside
