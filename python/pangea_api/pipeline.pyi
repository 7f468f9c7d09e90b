# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.pipeline import Pipeline as Pipeline
from selenite.dropin.pangea_api.pipeline import PipelineModule as PipelineModule
from selenite.dropin.pangea_api.pipeline import __all__ as __all__
from selenite.dropin.pangea_api.pipeline import logger as logger
from selenite.dropin.pangea_api.remote_object import RemoteObject as RemoteObject
from selenite.dropin.pangea_api.remote_object import found as found
from selenite.dropin.pangea_api.remote_object import fresh as fresh
