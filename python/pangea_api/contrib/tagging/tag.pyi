# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.blob_constructors import sample_from_blob as sample_from_blob
from selenite.dropin.pangea_api.blob_constructors import sample_group_from_blob as sample_group_from_blob
from selenite.dropin.pangea_api.contrib.tagging.tag import Tag as Tag
from selenite.dropin.pangea_api.contrib.tagging.tag import _DONE as _DONE
from selenite.dropin.pangea_api.contrib.tagging.tag import logger as logger
from selenite.dropin.pangea_api.remote_object import RemoteObject as RemoteObject
from selenite.dropin.pangea_api.sample import Sample as Sample
from selenite.dropin.pangea_api.sample_group import SampleGroup as SampleGroup
from selenite.dropin.pangea_api.utils import paginated_iterator as paginated_iterator
