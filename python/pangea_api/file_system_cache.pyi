# Made by scripts/stubs.py.
from selenite.dropin.pangea_api.file_system_cache import CACHED_BLOB_TIME as CACHED_BLOB_TIME
from selenite.dropin.pangea_api.file_system_cache import CACHE_DIR as CACHE_DIR
from selenite.dropin.pangea_api.file_system_cache import FileSystemCache as FileSystemCache
from selenite.dropin.pangea_api.file_system_cache import _NEVER as _NEVER
from selenite.dropin.pangea_api.file_system_cache import _PREFIX as _PREFIX
from selenite.dropin.pangea_api.file_system_cache import _entries as _entries
from selenite.dropin.pangea_api.file_system_cache import _folder as _folder
from selenite.dropin.pangea_api.file_system_cache import _is_entry as _is_entry
from selenite.dropin.pangea_api.file_system_cache import _remove as _remove
from selenite.dropin.pangea_api.file_system_cache import clear_key as clear_key
from selenite.dropin.pangea_api.file_system_cache import hash_obj as hash_obj
from selenite.dropin.pangea_api.file_system_cache import logger as logger
from selenite.dropin.pangea_api.file_system_cache import time_since_file_cached as time_since_file_cached
