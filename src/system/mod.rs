//! What differs between operating systems, and nothing else: every call that the standard library does
//! not have for all of them, once, each with what is done where a system, a kernel or a file system
//! lacks it. No other file names a system.
//!
//! | file | what is there |
//! |---|---|
//! | `unix` | what Linux and macOS have in common |
//! | `linux` | what Linux alone has |
//! | `other` | what is done instead elsewhere |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(test)]
pub(crate) mod testing;
mod unix;

#[cfg(target_os = "linux")]
use linux as own;
#[cfg(not(target_os = "linux"))]
use other as own;

pub(crate) use own::*;
pub(crate) use unix::*;

/// What an entry of a folder is, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A symbolic link, wherever it leads.
    Link,
    /// A folder.
    Folder,
    /// A FIFO, socket or device.
    Special,
}

/// What is done with a symbolic link in the last component of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// It is followed.
    Follow,
    /// It is an error.
    Refuse,
}

/// What the system tells about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Its content, size and place.
    pub identity: Identity,
    /// When anything about it was last changed: seconds since 1970, and nanoseconds.
    pub changed: (i64, i64),
    /// Permissions, with the special bits.
    pub mode: u32,
    /// Whose it is.
    pub user: u32,
    /// Whose it is, too.
    pub group: u32,
    /// How many names it has.
    pub names: u64,
}

/// What stays the same as long as nobody writes to a file, under whatever name and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Where it is.
    pub place: Place,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written: seconds since 1970, and nanoseconds.
    pub modified: (i64, i64),
}

/// What tells one file from all others of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    device: u64,
    inode: u64,
}

/// A user that the user database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// What the user is called.
    pub name: String,
    /// The number of the user's own group.
    pub group: u32,
}

/// A group that the user database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// What the group is called.
    pub name: String,
    /// Those whom it has beside users whose own group it is.
    pub members: Vec<String>,
}

/// A name that is given or taken away: a path, or a path below a folder that is open.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name<'a> {
    /// Seen from where the process is.
    Path(&'a std::path::Path),
    /// Seen from a folder.
    In(&'a Folder, &'a str),
}
