"""A client for gypsum: versioned data in an object store."""

from __future__ import annotations

from gypsum_client._errors import GypsumConnectionError, GypsumContentError, GypsumError
from gypsum_client._utils import BUCKET_CACHE_NAME
from gypsum_client.auth import access_token, set_access_token
from gypsum_client.cache_directory import cache_directory
from gypsum_client.clone_operations import clone_version
from gypsum_client.config import REQUESTS_MOD
from gypsum_client.create_operations import create_project
from gypsum_client.fetch_metadata_database import fetch_metadata_database
from gypsum_client.fetch_metadata_schema import fetch_metadata_schema
from gypsum_client.fetch_operations import (
    fetch_latest,
    fetch_manifest,
    fetch_permissions,
    fetch_quota,
    fetch_summary,
    fetch_usage,
)
from gypsum_client.list_operations import list_assets, list_files, list_projects, list_versions
from gypsum_client.prepare_directory_for_upload import prepare_directory_upload
from gypsum_client.probation_operations import approve_probation, reject_probation
from gypsum_client.refresh_operations import refresh_latest, refresh_usage
from gypsum_client.remove_operations import (
    remove_asset,
    remove_project,
    remove_version,
    unlock_project,
)
from gypsum_client.resolve_links import resolve_links
from gypsum_client.rest_url import rest_url
from gypsum_client.s3_config import public_s3_config
from gypsum_client.save_operations import save_file, save_version
from gypsum_client.search_metadata import (
    define_text_query,
    parse_text_query,
    search_metadata_text,
)
from gypsum_client.set_operations import set_permissions, set_quota
from gypsum_client.upload_api_operations import abort_upload, complete_upload, start_upload
from gypsum_client.upload_file_actions import upload_directory, upload_files
from gypsum_client.validate_metadata import validate_metadata

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
