"""A client for gypsum: versioned data in an object store."""

from __future__ import annotations

from ._errors import GypsumConnectionError, GypsumContentError, GypsumError
from ._locks import BUCKET_CACHE_NAME
from .auth import access_token, set_access_token
from .cache_directory import cache_directory
from .clone_operations import clone_version
from .config import REQUESTS_MOD
from .create_operations import create_project
from .fetch_metadata_database import fetch_metadata_database
from .fetch_metadata_schema import fetch_metadata_schema
from .fetch_operations import (
    fetch_latest,
    fetch_manifest,
    fetch_permissions,
    fetch_quota,
    fetch_summary,
    fetch_usage,
)
from .list_operations import list_assets, list_files, list_projects, list_versions
from .prepare_directory_for_upload import prepare_directory_upload
from .probation_operations import approve_probation, reject_probation
from .refresh_operations import refresh_latest, refresh_usage
from .remove_operations import (
    remove_asset,
    remove_project,
    remove_version,
    unlock_project,
)
from .resolve_links import resolve_links
from .rest_url import rest_url
from .s3_config import public_s3_config
from .save_operations import save_file, save_version
from .search_metadata import (
    define_search_clause,
    define_text_query,
    parse_text_query,
    search_metadata_text,
)
from .set_operations import set_permissions, set_quota
from .upload_api_operations import abort_upload, complete_upload, start_upload
from .upload_file_actions import upload_directory, upload_files
from .validate_metadata import validate_metadata

__version__ = "0.2.0"
dist_name = "gypsum-client"

__all__ = [
    "BUCKET_CACHE_NAME",
    "REQUESTS_MOD",
    "GypsumConnectionError",
    "GypsumContentError",
    "GypsumError",
    "__version__",
    "abort_upload",
    "access_token",
    "approve_probation",
    "cache_directory",
    "clone_version",
    "complete_upload",
    "create_project",
    "define_search_clause",
    "define_text_query",
    "fetch_latest",
    "fetch_manifest",
    "fetch_metadata_database",
    "fetch_metadata_schema",
    "fetch_permissions",
    "fetch_quota",
    "fetch_summary",
    "fetch_usage",
    "list_assets",
    "list_files",
    "list_projects",
    "list_versions",
    "parse_text_query",
    "prepare_directory_upload",
    "public_s3_config",
    "refresh_latest",
    "refresh_usage",
    "reject_probation",
    "remove_asset",
    "remove_project",
    "remove_version",
    "resolve_links",
    "rest_url",
    "save_file",
    "save_version",
    "search_metadata_text",
    "set_access_token",
    "set_permissions",
    "set_quota",
    "start_upload",
    "unlock_project",
    "upload_directory",
    "upload_files",
    "validate_metadata",
]
