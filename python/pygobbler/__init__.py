"""A client for the Gobbler: versioned data on a shared file system."""

from __future__ import annotations

from pygobbler.allocate_upload_directory import allocate_upload_directory
from pygobbler.approve_probation import approve_probation
from pygobbler.clone_version import clone_version
from pygobbler.create_project import create_project
from pygobbler.fetch_directory import fetch_directory
from pygobbler.fetch_file import fetch_file
from pygobbler.fetch_latest import fetch_latest
from pygobbler.fetch_manifest import fetch_manifest
from pygobbler.fetch_permissions import fetch_permissions
from pygobbler.fetch_summary import fetch_summary
from pygobbler.fetch_usage import fetch_usage
from pygobbler.list_assets import list_assets
from pygobbler.list_files import list_files
from pygobbler.list_projects import list_projects
from pygobbler.list_versions import list_versions
from pygobbler.refresh_latest import refresh_latest
from pygobbler.refresh_usage import refresh_usage
from pygobbler.reindex_version import reindex_version
from pygobbler.reject_probation import reject_probation
from pygobbler.remove_asset import remove_asset
from pygobbler.remove_project import remove_project
from pygobbler.remove_version import remove_version
from pygobbler.reroute_links import reroute_links
from pygobbler.service_info import service_info
from pygobbler.set_permissions import set_permissions
from pygobbler.start_gobbler import start_gobbler, stop_gobbler
from pygobbler.unpack_path import unpack_path
from pygobbler.upload_directory import upload_directory
from pygobbler.validate_version import validate_version
from pygobbler.version_path import version_path

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
