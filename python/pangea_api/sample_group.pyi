# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.analysis_result import SampleGroupAnalysisResult as SampleGroupAnalysisResult
from selenite.dropin.pangea_api.knex import PangeaInternalError as PangeaInternalError
from selenite.dropin.pangea_api.remote_object import RemoteObject as RemoteObject
from selenite.dropin.pangea_api.remote_object import RemoteObjectError as RemoteObjectError
from selenite.dropin.pangea_api.remote_object import found as found
from selenite.dropin.pangea_api.remote_object import fresh as fresh
from selenite.dropin.pangea_api.sample import Sample as Sample
from selenite.dropin.pangea_api.sample_group import NOT_GIVEN as NOT_GIVEN
from selenite.dropin.pangea_api.sample_group import SampleGroup as SampleGroup
from selenite.dropin.pangea_api.sample_group import _NotGiven as _NotGiven
from selenite.dropin.pangea_api.sample_group import logger as logger
from selenite.dropin.pangea_api.utils import paginated_iterator as paginated_iterator
