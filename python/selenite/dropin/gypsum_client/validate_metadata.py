"""Validation of metadata."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any


def validate_metadata(
    metadata: str | dict[str, Any],
    schema: str | os.PathLike[str],
    stringify: bool | None = None,
) -> bool:
    """Compare metadata with a schema.

    Args:
        metadata: A dictionary, or a text in JSON.
        schema: Path of the schema.
        stringify: Whether to make JSON of ``metadata`` first; None to do so unless it is a text.

    Returns:
        True.

    Raises:
        ValueError: If it does not follow the schema, or is no JSON.
        FileNotFoundError: If there is no such schema.
        ModuleNotFoundError: If `jsonschema` is not installed.

    Example:
        >>> import gypsum_client
        >>> schema = gypsum_client.fetch_metadata_schema(cache_dir=cache)
        >>> gypsum_client.validate_metadata({"title": "Cells"}, schema)
        True
    """
    import json

    from selenite._needing import needing

    with needing("validate_metadata", "jsonschema"):
        import jsonschema

    with open(schema, encoding="utf-8") as file:
        rules = json.load(file)
    if stringify is None:
        stringify = not isinstance(metadata, str)
    try:
        text = json.dumps(metadata) if stringify else metadata
        jsonschema.validate(json.loads(text), rules)  # type: ignore[arg-type]
    except Exception as error:
        message = f"Metadata validation failed: {error}"
        raise ValueError(message) from error
    return True
