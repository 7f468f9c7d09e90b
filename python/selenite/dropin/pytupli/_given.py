"""What callers give, and what of it gets lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._log import logger
from .schema import ArtifactMetadata, BenchmarkMetadata, RLTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pydantic import BaseModel

    from .schema import BenchmarkQuery, Episode


def as_metadata(metadata: Any) -> ArtifactMetadata:
    """Take metadata of an artifact as a model or as a dict.

    Args:
        metadata: The metadata.

    Raises:
        TypeError: If they are something else.
    """
    if isinstance(metadata, dict):
        return ArtifactMetadata.model_validate(metadata)
    if not hasattr(metadata, "model_dump_json"):
        message = (
            "an artifact needs metadata: an ArtifactMetadata or a dict with at least a name, not "
            f"{type(metadata).__name__}"
        )
        raise TypeError(message)
    found: ArtifactMetadata = metadata
    return found


def warn_of_characters(metadata: ArtifactMetadata) -> None:
    """Say what would keep an artifact from being loaded again."""
    try:
        metadata.model_dump_json().encode("latin-1")
    except ValueError:
        logger().warning(
            "the metadata of %r hold characters beyond latin-1: the service stores the artifact, "
            "but cannot send it",
            metadata.name,
        )


def warn_of_artifact(metadata: ArtifactMetadata) -> None:
    """Say which fields the service does not keep."""
    _warn(ArtifactMetadata, [metadata])


def warn_of_benchmark(query: BenchmarkQuery) -> None:
    """Say which fields of a benchmark's metadata are not kept."""
    _warn(BenchmarkMetadata, [query.metadata])


def warn_of_episode(episode: Episode) -> None:
    """Say which fields of an episode's steps are not kept."""
    _warn(RLTuple, episode.tuples)


def _warn(kind: type[BaseModel], models: Iterable[BaseModel]) -> None:
    known = kind.model_fields
    lost: dict[str, None] = {}
    for model in models:
        if type(model) is not kind:
            fields = (*getattr(type(model), "model_fields", ()), *(model.model_extra or ()))
            lost.update(dict.fromkeys(name for name in fields if name not in known))
    if lost:
        logger().warning("not kept, since no %s has it: %s", kind.__name__, ", ".join(lost))


def unsendable(value: Any, place: str = "") -> str | None:
    """Say where something is that cannot be sent as JSON, None if there is no such thing.

    Args:
        value: What is sent.
        place: Where it is.

    Example:
        >>> unsendable({"tuples": [{"reward": 1.0}, {"reward": float("nan")}]})
        'tuples[1].reward'
    """
    if isinstance(value, dict):
        parts = [(f"{place}.{name}" if place else str(name), one) for name, one in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{place}[{number}]", one) for number, one in enumerate(value)]
    else:
        is_plain = value is None or isinstance(value, str | int | float)
        is_finite = not isinstance(value, float) or math.isfinite(value)
        return None if is_plain and is_finite else place
    return next((found for part in parts if (found := unsendable(part[1], part[0]))), None)
