"""Groups of samples from projects of NCBI."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..tagging.tag import Tag
from .bioproject import BioProject

if TYPE_CHECKING:
    from ...organization import Organization
    from ...sample_group import SampleGroup


def create_pangea_group_from_bioproj(
    org: Organization, bioproj_accession: str, sleep_time: float = 2
) -> SampleGroup:
    """Make a library of a project, its samples and their runs, all with tags.

    Args:
        org: The organization that it will belong to.
        bioproj_accession: The project.
        sleep_time: Seconds between requests to NCBI.
    """
    names = ("NCBI BioProject", "NCBI BioSample", "NCBI SRA")
    project_tag, sample_tag, run_tag = (Tag(org.knex, name).idem() for name in names)
    project = BioProject(bioproj_accession)
    group = project.pangea_obj(org)
    project_tag(group)
    for record in project.biosamples():
        time.sleep(sleep_time)
        sample = record.pangea_obj(group)
        sample_tag(sample)
        for run in record.sra():
            time.sleep(sleep_time)
            run.pangea_obj(sample)
            run_tag(sample)
    return group
