"""Many files of a group at once."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ._names import inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .sample import Sample
    from .sample_group import SampleGroup


def fields_of(
    samples: Iterable[Sample], module_name: str | None = None, field_name: str | None = None
) -> Iterator[Any]:
    """Give the fields of the results of samples.

    Args:
        samples: The samples.
        module_name: Of which results, all if that is not said.
        field_name: Which fields, all if that is not said.
    """
    for sample in samples:
        for result in sample.get_analysis_results(cache=False):
            if module_name and result.module_name != module_name:
                continue
            for field in result.get_fields(cache=False):
                if not field_name or field.name == field_name:
                    yield field


def write_blob(field: Any, target: str) -> str:
    """Write what a field holds into a file.

    Args:
        field: The field.
        target: The folder for it.

    Returns:
        The path.
    """
    path = inside(target, field.get_blob_filename())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(field.stored_data, file)
    return path


def download_field(field: Any, target: str) -> str | None:
    """Download the file of a field, if it has one.

    Args:
        field: The field.
        target: The folder for it.

    Returns:
        The path, None if the field holds data.
    """
    try:
        path = inside(target, field.get_referenced_filename())
        field.get_download_url()
    except TypeError:
        return None
    os.makedirs(os.path.dirname(path), exist_ok=True)
    downloaded: str = field.download_file(filename=path)
    return downloaded


def download_all(group: SampleGroup, target: str, jobs: int) -> list[str]:
    """Download the files of all results of all samples of a group.

    Args:
        group: The group.
        target: The folder for them.
        jobs: How many go on at once.

    Returns:
        Their paths.
    """
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        fields = fields_of(group.get_samples(cache=False))
        paths = list(pool.map(lambda field: download_field(field, target), fields))
    return [path for path in paths if path is not None]
