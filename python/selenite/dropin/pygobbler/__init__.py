"""A client for the Gobbler: versioned data on a shared file system."""

from __future__ import annotations

from .allocate_upload_directory import allocate_upload_directory
from .approve_probation import approve_probation
from .clone_version import clone_version
from .create_project import create_project
from .fetch_directory import fetch_directory
from .fetch_file import fetch_file
from .fetch_latest import fetch_latest
from .fetch_manifest import fetch_manifest
from .fetch_permissions import fetch_permissions
from .fetch_summary import fetch_summary
from .fetch_usage import fetch_usage
from .list_assets import list_assets
from .list_files import list_files
from .list_projects import list_projects
from .list_versions import list_versions
from .refresh_latest import refresh_latest
from .refresh_usage import refresh_usage
from .reindex_version import reindex_version
from .reject_probation import reject_probation
from .remove_asset import remove_asset
from .remove_project import remove_project
from .remove_version import remove_version
from .reroute_links import reroute_links
from .service_info import service_info
from .set_permissions import set_permissions
from .start_gobbler import start_gobbler, stop_gobbler
from .unpack_path import unpack_path
from .upload_directory import upload_directory
from .validate_version import validate_version
from .version_path import version_path

__version__ = "0.1.11"
dist_name = "pygobbler"

__all__ = [
    "__version__",
    "allocate_upload_directory",
    "approve_probation",
    "clone_version",
    "create_project",
    "dist_name",
    "fetch_directory",
    "fetch_file",
    "fetch_latest",
    "fetch_manifest",
    "fetch_permissions",
    "fetch_summary",
    "fetch_usage",
    "list_assets",
    "list_files",
    "list_projects",
    "list_versions",
    "refresh_latest",
    "refresh_usage",
    "reindex_version",
    "reject_probation",
    "remove_asset",
    "remove_project",
    "remove_version",
    "reroute_links",
    "service_info",
    "set_permissions",
    "start_gobbler",
    "stop_gobbler",
    "unpack_path",
    "upload_directory",
    "validate_version",
    "version_path",
]
