"""Schemas of metadata."""

from __future__ import annotations

import os

from selenite import _core
from selenite._arguments import path_text

from ._defaults import DEFAULT, CacheDir, base_of, optional_cache
from ._errors import translated
from ._locks import fresh, locked, place
from ._reading import _is_page
from .cache_directory import cache_directory
from .config import REQUESTS_MOD

__all__ = ["REQUESTS_MOD", "cache_directory", "fetch_metadata_schema"]

_BASE = "https://artifactdb.github.io/bioconductor-metadata-index"


def fetch_metadata_schema(
    name: str | os.PathLike[str] = "bioconductor/v1.json",
    cache_dir: CacheDir = DEFAULT,
    overwrite: bool = False,
) -> str:
    """Fetch the schema that metadata is to follow.

    Args:
        name: Name of the schema. The environment variable ``GYPSUM_METADATA_SCHEMA_URL`` says
            where schemas are, if not at the public place.
        cache_dir: Directory of the cache, by default ``cache_directory()``; None for a fresh
            temporary file.
        overwrite: Fetch it again if it is cached.

    Returns:
        Path of the schema.

    Raises:
        ValueError: If the name leads out of the cache.
        GypsumError: If there is no such schema, if it cannot be reached, or if what comes is
            something else.

    Example:
        >>> import gypsum_client
        >>> path = gypsum_client.fetch_metadata_schema(cache_dir=cache)
        >>> path.endswith("schemas/bioconductor/v1.json")
        True
    """
    base = base_of(os.environ.get("GYPSUM_METADATA_SCHEMA_URL") or _BASE)
    source = (f"{base}/{name}", REQUESTS_MOD.get("verify", True))
    cache = optional_cache(cache_dir)
    name = path_text(name, "name")
    with translated(f"Failed to fetch metadata schema '{name}'"):
        if cache is None:
            with fresh(".json") as path:
                _core.gypsum_download(source, path, "object")
            return path
        path = place(cache, "schemas", name)
        if overwrite or not _is_schema(path):
            with locked(path):
                if overwrite or not _is_schema(path):
                    _core.gypsum_download(source, path, "object")
    return path


def _is_schema(path: str) -> bool:
    """Say whether what is cached is to be used."""
    if not os.path.exists(path) or _is_page(path):
        return False
    with open(path, "rb") as file:
        is_json = file.read(512).lstrip().startswith(b"{")
    try:
        # Other clients keep what they have of a schema when they are interrupted.
        return not is_json or isinstance(_core.read_json(path), dict)
    except ValueError:
        return False
