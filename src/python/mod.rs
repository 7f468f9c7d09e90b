//! The native module `selenite._core`: a list of exports.
#![allow(clippy::needless_pass_by_value, reason = "PyO3 extracts arguments by value")]

mod address;
mod arguments;
mod bodies;
mod collector;
mod convert;
mod digest;
mod error;
mod girder;
mod gobbler;
mod gypsum;
mod json;
mod log;
mod registry;
mod service;
mod transfer;
mod tree;
mod wait;

use std::path::PathBuf;

use pyo3::prelude::*;

/// The certificates that come with `requests`.
fn certifi() -> Result<PathBuf, String> {
    let find = |py: Python<'_>| py.import("certifi")?.call_method0("where")?.extract();
    match Python::try_attach(find) {
        Some(Ok(path)) => Ok(path),
        // None too while the interpreter ends.
        Some(Err(_)) | None => Err("those of Python (`pip install certifi`)".into()),
    }
}

#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::address::parse_address;
    #[pymodule_export]
    use super::bodies::{fetch_item, fetch_stored, send_content, send_parts};
    #[pymodule_export]
    use super::digest::digest_files;
    #[pymodule_export]
    use super::girder::{girder_download, girder_download_packed, girder_upload};
    #[pymodule_export]
    use super::gobbler::{
        gobbler_acquire, gobbler_allocate, gobbler_cache_folder, gobbler_clone, gobbler_fetch,
        gobbler_info, gobbler_left_out, gobbler_list_directories, gobbler_list_files, gobbler_path,
        gobbler_read, gobbler_request, gobbler_upload, md5_file,
    };
    #[pymodule_export]
    use super::gypsum::{
        gypsum_clone, gypsum_describe, gypsum_download, gypsum_finish, gypsum_list_directories,
        gypsum_list_files, gypsum_number, gypsum_prepare, gypsum_read, gypsum_record,
        gypsum_request, gypsum_resolve_links, gypsum_save_file, gypsum_save_version,
        gypsum_session_token, gypsum_start, gypsum_upload, store_private,
    };
    #[pymodule_export]
    use super::json::read_json;
    #[pymodule_export]
    use super::registry::{
        Checked, Difference, Table, believe_everybody, check_folder, is_offline, registry_at_hand,
        registry_document, registry_fetch, registry_file, registry_folder, registry_get,
        registry_manifest, registry_names, registry_ranges, set_settings, upload_plan,
    };
    #[pymodule_export]
    use super::service::{check_gobbler_settings, serve_gobbler, serve_gypsum};
    #[pymodule_export]
    use super::transfer::{download_files, stage_directory, upload_files};
    #[pymodule_export]
    use super::tree::walk_directory;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::http::set_fallback(super::certifi);
        super::log::install();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
