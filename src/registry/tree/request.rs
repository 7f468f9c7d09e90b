//! What is asked for.

use std::path::Path;

use crate::names::{AssetName, ProjectName, VersionName};

/// A version to upload.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// Project, which must exist.
    pub project: &'a ProjectName,
    /// Asset, made if it is new.
    pub asset: &'a AssetName,
    /// Version, which must not exist.
    pub version: &'a VersionName,
    /// Directory with the files.
    pub source: &'a Path,
    /// The user id that the directory must belong to still when it is opened, if it matters.
    pub source_owner: Option<u32>,
    /// Who uploads.
    pub user: &'a str,
    /// Whether the version is put on probation although the user is trusted.
    pub on_probation: bool,
    /// Whether files may be moved out of the source.
    pub consume: bool,
    /// Whether names that begin with `.` are left out.
    pub ignore_dot: bool,
}
