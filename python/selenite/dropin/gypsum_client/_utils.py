"""Names that programs import from here, whatever they are now."""

from __future__ import annotations

from ._asking import _is_interactive as _is_interactive
from ._asking import is_notebook
from ._forms import _cast_datetime as _cast_datetime
from ._forms import _remove_slash_url as _remove_slash_url
from ._forms import _sanitize_path as _sanitize_path
from ._forms import _sanitize_uploaders as _sanitize_uploaders
from ._locks import BUCKET_CACHE_NAME
from ._reading import _download_and_rename_file as _download_and_rename_file
from ._reading import _fetch_cacheable_json as _fetch_cacheable_json
from ._reading import _fetch_json as _fetch_json
from ._reading import _list_for_prefix as _list_for_prefix
from ._reading import _rename_file as _rename_file
from ._reading import _save_file as _save_file
from ._version_locks import IS_LOCKED
from ._version_locks import _acquire_lock as _acquire_lock
from ._version_locks import _release_lock as _release_lock
from .config import REQUESTS_MOD

__all__ = ["BUCKET_CACHE_NAME", "IS_LOCKED", "REQUESTS_MOD", "is_notebook"]
