"""Answers of the service that are kept in files."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import time
from hashlib import sha256
from typing import Any

from selenite._placing import placed

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

CACHED_BLOB_TIME = 3 * 60 * 60
CACHE_DIR = os.environ.get("PANGEA_API_CACHE_DIR", ".")

_PREFIX = "pangea_api_cache__"
# What cannot be read is asked for again.
_NEVER = sys.maxsize


def hash_obj(obj: Any) -> str:
    """Give the key that a text or an object has in the cache.

    What was read of one server, or as one user, is never another's.

    Args:
        obj: A text, or an object with `pre_hash`.
    """
    if isinstance(obj, str):
        return sha256(obj.encode()).hexdigest()
    text: str = obj.pre_hash()
    knex = getattr(obj, "knex", None)
    endpoint = getattr(knex, "endpoint_url", None)
    if isinstance(endpoint, str):
        user = sha256(str(knex.auth or "").encode()).hexdigest()  # type: ignore[union-attr]
        text = f"{endpoint}\0{user}\0{text}"
    return sha256(text.encode()).hexdigest()


def time_since_file_cached(blob_filepath: str) -> int:
    """Say how many seconds ago an entry was written.

    Args:
        blob_filepath: Its path.
    """
    written = blob_filepath.rpartition("__")[2].partition(".")[0]
    return int(time.time()) - int(written)


class FileSystemCache:
    """A folder of answers, `.pangea_api_cache` in the working directory or in another one.

    The environment variable ``PANGEA_API_CACHE_DIR`` names that one when the package is imported.
    ``USE_PANGEA_CACHE=false`` switches the cache off.
    """

    def __init__(self, timeout: int = 10800) -> None:
        """Say after how many seconds an entry is too old."""
        self.timeout = timeout
        self.no_cache = "false" in os.environ.get("USE_PANGEA_CACHE", "TRUE").lower()

    def get_cached_blob_filepath(self, obj: Any) -> tuple[str, bool]:
        """Say where the entry of a text or an object is, or would be.

        Args:
            obj: A text, or an object with `pre_hash`.

        Returns:
            The path, and whether there is a file.
        """
        key = hash_obj(obj)
        folder = _folder()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = _entries(key)
        if found:
            return found[-1], True
        return os.path.join(folder, f"{_PREFIX}{key}__{int(time.time())}.json"), False

    def get_cached_blob(self, obj: Any) -> Any:
        """Give what is kept of a text or an object, None if nothing is.

        Args:
            obj: A text, or an object with `pre_hash`.
        """
        if self.no_cache:
            return None
        found = _entries(hash_obj(obj))
        if not found:
            return None
        path = found[-1]
        oldest = self.timeout + random.randint(0, self.timeout // 10)
        if time_since_file_cached(path) > oldest:
            logger.debug("%s is too old", path)
            _remove(path)
            return None
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError) as error:
            logger.debug("%s cannot be used: %s", path, error)
            _remove(path)
            return None

    def cache_blob(self, obj: Any, blob: Any) -> None:
        """Keep an answer, unless the one that is kept is young.

        Args:
            obj: A text, or an object with `pre_hash`.
            blob: The answer.
        """
        if self.no_cache:
            return
        path, exists = self.get_cached_blob_filepath(obj)
        if exists:
            young = self.timeout // 2 + random.randint(0, self.timeout // 10)
            if time_since_file_cached(path) < young:
                return
            self.clear_blob(obj)
            path = self.get_cached_blob_filepath(obj)[0]
        part = f"new-{hash_obj(obj)}"
        with placed(path, sync_from=_NEVER, part=part, mode=0o600) as file:
            file.write(json.dumps(blob).encode())

    def clear_blob(self, obj: Any) -> None:
        """Forget what is kept of a text or an object.

        Args:
            obj: A text, or an object with `pre_hash`.
        """
        clear_key(hash_obj(obj))


def clear_key(key: str) -> None:
    """Forget what is kept under a key.

    Args:
        key: The key, as `hash_obj` gives it.
    """
    for path in _entries(key):
        _remove(path)


def _folder() -> str:
    return os.path.join(CACHE_DIR, ".pangea_api_cache", "v1")


def _entries(key: str) -> list[str]:
    """The files of a key, the newest last."""
    import glob

    pattern = os.path.join(glob.escape(_folder()), f"{_PREFIX}{key}__*.json")
    found = [path for path in glob.glob(pattern) if _is_entry(path)]
    return sorted(found, key=time_since_file_cached, reverse=True)


def _is_entry(path: str) -> bool:
    return path.rpartition("__")[2].removesuffix(".json").isdecimal()


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError as error:
        # Another process has removed it, or may keep it: it is not used in either case.
        logger.debug("%s was not removed: %s", path, error)
