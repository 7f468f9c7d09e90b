# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.analysis_result import SampleAnalysisResult as SampleAnalysisResult
from selenite.dropin.pangea_api.blob_constructors import _filled as _filled
from selenite.dropin.pangea_api.blob_constructors import logger as logger
from selenite.dropin.pangea_api.blob_constructors import org_from_blob as org_from_blob
from selenite.dropin.pangea_api.blob_constructors import sample_ar_from_blob as sample_ar_from_blob
from selenite.dropin.pangea_api.blob_constructors import sample_ar_from_uuid as sample_ar_from_uuid
from selenite.dropin.pangea_api.blob_constructors import sample_from_blob as sample_from_blob
from selenite.dropin.pangea_api.blob_constructors import sample_from_uuid as sample_from_uuid
from selenite.dropin.pangea_api.blob_constructors import sample_group_from_blob as sample_group_from_blob
from selenite.dropin.pangea_api.blob_constructors import sample_group_from_uuid as sample_group_from_uuid
from selenite.dropin.pangea_api.organization import Organization as Organization
from selenite.dropin.pangea_api.sample import Sample as Sample
from selenite.dropin.pangea_api.sample_group import SampleGroup as SampleGroup
