"""Objects from answers of the service, and by their uuid."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .analysis_result import SampleAnalysisResult
from .organization import Organization
from .sample import Sample
from .sample_group import SampleGroup

if TYPE_CHECKING:
    from .knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


def _filled(made: Any, blob: dict[str, Any], already_fetched: bool, modified: bool) -> Any:
    made.load_blob(blob)
    made._already_fetched = already_fetched
    made._modified = modified
    return made


def org_from_blob(
    knex: Knex, blob: dict[str, Any], already_fetched: bool = True, modified: bool = False
) -> Organization:
    """Make an organization of an answer.

    Args:
        knex: The server.
        blob: The answer.
        already_fetched: Whether it counts as read.
        modified: Whether it counts as changed.
    """
    org: Organization = _filled(Organization(knex, blob["name"]), blob, already_fetched, modified)
    return org


def sample_group_from_blob(
    knex: Knex, blob: dict[str, Any], already_fetched: bool = True, modified: bool = False
) -> SampleGroup:
    """Make a group of samples of an answer that holds its organization.

    Args:
        knex: The server.
        blob: The answer.
        already_fetched: Whether it counts as read.
        modified: Whether it counts as changed.
    """
    org = org_from_blob(knex, blob["organization_obj"])
    made = SampleGroup(knex, org, blob["name"], is_library=blob["is_library"])
    group: SampleGroup = _filled(made, blob, already_fetched, modified)
    return group


def sample_from_blob(
    knex: Knex, blob: dict[str, Any], already_fetched: bool = True, modified: bool = False
) -> Sample:
    """Make a sample of an answer that holds its library.

    Args:
        knex: The server.
        blob: The answer.
        already_fetched: Whether it counts as read.
        modified: Whether it counts as changed.
    """
    lib = sample_group_from_blob(knex, blob["library_obj"])
    made = Sample(knex, lib, blob["name"])
    sample: Sample = _filled(made, blob, already_fetched, modified)
    return sample


def sample_ar_from_blob(
    knex: Knex, blob: dict[str, Any], already_fetched: bool = True, modified: bool = False
) -> SampleAnalysisResult:
    """Make a result of an answer that holds its sample.

    Args:
        knex: The server.
        blob: The answer.
        already_fetched: Whether it counts as read.
        modified: Whether it counts as changed.
    """
    sample = sample_from_blob(knex, blob["sample_obj"])
    made = SampleAnalysisResult(knex, sample, blob["module_name"], replicate=blob["replicate"])
    result: SampleAnalysisResult = _filled(made, blob, already_fetched, modified)
    return result


def sample_group_from_uuid(knex: Knex, uuid: str) -> SampleGroup:
    """Read a group of samples.

    Args:
        knex: The server.
        uuid: Its uuid.
    """
    return sample_group_from_blob(knex, knex._call("get", f"sample_groups/{uuid}"))


def sample_from_uuid(knex: Knex, uuid: str) -> Sample:
    """Read a sample.

    Args:
        knex: The server.
        uuid: Its uuid.
    """
    return sample_from_blob(knex, knex._call("get", f"samples/{uuid}"))


def sample_ar_from_uuid(knex: Knex, uuid: str) -> SampleAnalysisResult:
    """Read a result of a sample.

    Args:
        knex: The server.
        uuid: Its uuid.
    """
    return sample_ar_from_blob(knex, knex._call("get", f"sample_ars/{uuid}"))
