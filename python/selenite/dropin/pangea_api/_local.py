"""Many files of a group at once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from selenite import _placing, _rest

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


def placed(fields: Iterable[Any], target: str) -> Iterator[tuple[Any, str, str | None]]:
    """Say where fields go. No two have one place: the names do not tell of replicates.

    Args:
        fields: The fields.
        target: The folder for them.

    Returns:
        Each with the path for its data, and that for its file if it has one.
    """
    taken: set[str] = set()

    def free(path: str, replicate: str) -> str:
        folder, name = os.path.split(path)
        head, dot, end = name.rpartition(f".{field.name.replace('.', '-')}.")
        number, mark = 1, replicate
        while path in taken:
            base = f"{head}.{mark}{dot}{end}" if dot else f"{name}.{mark}"
            path = inside(folder, base)
            # Also replicates of one name: those of results whose names become the same.
            number, mark = number + 1, f"{replicate}.{number + 1}"
        taken.add(path)
        return path

    for field in fields:
        replicate = str(field.parent.replicate)
        data = free(inside(target, field.get_blob_filename()), replicate)
        file = None
        try:
            field.get_download_url()
            file = free(inside(target, field.get_referenced_filename()), replicate)
        except TypeError:
            pass  # it holds data
        yield field, data, file


def write_blob(field: Any, path: str) -> None:
    """Write what a field holds into a file.

    Args:
        field: The field.
        path: The file.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with _placing.placed(path) as file:
        file.write(json.dumps(field.stored_data).encode())


def download_field(field: Any, path: str) -> str:
    """Download the file of a field.

    Args:
        field: The field.
        path: Where it goes.

    Returns:
        The path.
    """
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
    places = placed(fields_of(group.get_samples(cache=False)), target)
    files = ((field, path) for field, _, path in places if path is not None)
    return _rest.side_by_side(lambda one: download_field(*one), files, jobs)
