//! Files and folders: listing, atomic replacement, locks.

pub mod atomic;
pub mod beneath;
pub mod copy;
pub mod litter;
pub mod lock;
pub mod walk;
pub mod window;
