# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.contrib.tagging.tag import Tag as Tag
from selenite.dropin.pangea_api.contrib.tagging.tag_funcs import get_tags_for_sample as get_tags_for_sample
from selenite.dropin.pangea_api.remote_object import found as found
