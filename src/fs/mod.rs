//! Files and folders: listing, atomic replacement, locks.

pub mod atomic;
pub mod beneath;
pub mod lock;
pub mod walk;
pub mod window;
