# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.analysis_result import SampleAnalysisResult as SampleAnalysisResult
from selenite.dropin.pangea_api.knex import PangeaForbiddenError as PangeaForbiddenError
from selenite.dropin.pangea_api.remote_object import RemoteObject as RemoteObject
from selenite.dropin.pangea_api.remote_object import found as found
from selenite.dropin.pangea_api.remote_object import fresh as fresh
from selenite.dropin.pangea_api.sample import Sample as Sample
from selenite.dropin.pangea_api.sample import logger as logger
from selenite.dropin.pangea_api.utils import paginated_iterator as paginated_iterator
