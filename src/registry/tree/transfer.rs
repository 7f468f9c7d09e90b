//! What an upload brings, and what is done with it.

use std::path::Path;
use std::sync::Mutex;

use super::resolve::Manifests;
use crate::digest::Seen;
use crate::registry::format::layout::Layout;
use crate::registry::format::links::{DedupIndex, Owner};
use crate::system::Identity;

/// What is transferred, and how.
pub(super) struct Transfer<'a> {
    pub(super) layout: &'a Layout,
    /// The version that is made.
    pub(super) owner: Owner<'a>,
    /// The user's directory.
    pub(super) source: &'a Path,
    /// Whom it must belong to.
    pub(super) source_owner: Option<u32>,
    /// The hidden folder that becomes the version.
    pub(super) stage: &'a Path,
    /// Files of the latest version.
    pub(super) known: DedupIndex,
    /// Manifests of the versions that those files are linked to.
    pub(super) origins: Mutex<Manifests>,
    /// Whether files may be moved instead of copied.
    pub(super) consume: bool,
    /// Whether names that begin with `.` are left out.
    pub(super) ignore_dot: bool,
}

/// A file of the source that is moved into the stage.
pub(super) struct Movable<'a> {
    pub(super) path: &'a str,
    pub(super) seen: Seen,
    pub(super) identity: Identity,
}
