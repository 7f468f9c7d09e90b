"""Questions about tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...remote_object import found
from .tag import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...knex import Knex
    from ...sample import Sample


def get_tags_for_sample(knex: Knex, sample: Sample) -> Iterator[Tag]:
    """Give the tags of a sample.

    Args:
        knex: The server.
        sample: The sample.
    """
    for blob in Tag(knex, "-")._list("contrib/tags/", sample=sample._ready()):
        yield found(Tag(knex, blob["name"]), blob)
