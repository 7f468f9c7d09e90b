//! What a user of a registry does: one protocol per module, on `http` and `transfer`.

mod cache;
pub mod gobbler;
pub mod gypsum;

use serde::de::IgnoredAny;

use crate::http::{Document, Object};
use crate::registry::format::layout::{
    LATEST, LINKS, MANIFEST, PERMISSIONS, QUOTA, SUMMARY, USAGE,
};
use crate::registry::format::model::{Links, Manifest};
use crate::transfer::plan::Form;

/// What a file of this name must be to be kept, if nothing else says what it is.
fn form_of(name: &str) -> Form {
    match name {
        MANIFEST => Form::Document(Document::check::<Manifest>),
        LINKS => Form::Document(Document::check::<Links>),
        SUMMARY | LATEST | PERMISSIONS | QUOTA | USAGE => Form::Document(Document::check::<Object>),
        _ => Form::Any,
    }
}

/// True for what may be kept as a file of this name. JSON that is no object is somebody's edit.
fn is_plausible(name: &str, content: &Document) -> bool {
    let is_edit = || {
        !content.body.trim_ascii_start().starts_with(b"{") && content.parse::<IgnoredAny>().is_ok()
    };
    form_of(name).check(content).is_ok() || is_edit()
}
