# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.organization import logger as logger
from selenite.dropin.pangea_api.remote_object import RemoteObject as RemoteObject
from selenite.dropin.pangea_api.remote_object import found as found
from selenite.dropin.pangea_api.sample_group import NOT_GIVEN as NOT_GIVEN
from selenite.dropin.pangea_api.sample_group import SampleGroup as SampleGroup
