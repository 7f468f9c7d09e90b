"""Client of the Pangea service: organizations, groups of samples, results, and their files.

Example:
    >>> from pangea_api import Knex, Organization
    >>> knex = Knex("https://pangea.example.org")
    >>> library = Organization(knex, "Lab").sample_group("Soil", is_library=True, is_public=False)
    >>> library.nested_url()
    'nested/Lab/sample_groups/Soil'
"""

from .analysis_result import (
    SampleAnalysisResult,
    SampleAnalysisResultField,
    SampleGroupAnalysisResult,
    SampleGroupAnalysisResultField,
)
from .knex import (
    Knex,
    PangeaForbiddenError,
    PangeaGeneralError,
    PangeaInternalError,
    PangeaNotFoundError,
    PangeaOtherError,
)
from .organization import Organization
from .pipeline import Pipeline, PipelineModule
from .remote_object import RemoteObjectError, RemoteObjectOverwriteError
from .sample import Sample
from .sample_group import SampleGroup
from .user import User
from .work_orders import GroupWorkOrder, GroupWorkOrderProto, JobOrder, WorkOrder, WorkOrderProto

__all__ = [
    "GroupWorkOrder",
    "GroupWorkOrderProto",
    "JobOrder",
    "Knex",
    "Organization",
    "PangeaForbiddenError",
    "PangeaGeneralError",
    "PangeaInternalError",
    "PangeaNotFoundError",
    "PangeaOtherError",
    "Pipeline",
    "PipelineModule",
    "RemoteObjectError",
    "RemoteObjectOverwriteError",
    "Sample",
    "SampleAnalysisResult",
    "SampleAnalysisResultField",
    "SampleGroup",
    "SampleGroupAnalysisResult",
    "SampleGroupAnalysisResultField",
    "User",
    "WorkOrder",
    "WorkOrderProto",
]
