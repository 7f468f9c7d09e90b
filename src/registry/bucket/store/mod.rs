//! Where the objects of a registry are kept: keys such as `project/asset/version/path` to content.
//!
//! The rules of [`crate::registry::bucket`] are written once, over this seam.

mod directory;
mod hold;
mod incoming;
mod read;
#[cfg(feature = "s3")]
mod s3;

use std::fmt::Debug;
use std::fs::{File, Metadata};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use directory::Directory;
pub use incoming::Incoming;
#[cfg(feature = "s3")]
pub use s3::{Remote, S3};

use crate::digest::Digest;
use crate::job::Job;
use crate::names::ProjectName;
use crate::registry::failure::Failure;

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Size in bytes.
    pub size: u64,
    /// Changes whenever the content does.
    pub state: String,
    /// When it was written.
    pub modified: Option<SystemTime>,
    /// The digest, if the store knows it.
    pub md5: Option<Digest>,
}

/// An object as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// The digest, if the store tells it here.
    pub md5: Option<Digest>,
}

/// An object to be read.
#[derive(Debug)]
pub enum Content {
    /// A file of this machine.
    File(File, Metadata),
    /// An object of a store.
    #[cfg(feature = "s3")]
    Remote(std::sync::Arc<Remote>),
}

impl Content {
    /// The digest, if the store has told it.
    pub fn md5(&self) -> Option<Digest> {
        match self {
            Self::File(..) => None,
            #[cfg(feature = "s3")]
            Self::Remote(remote) => remote.md5,
        }
    }
}

/// What the names in a store cannot be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Names that differ only in case are the same.
    pub ignores_case: bool,
    /// Names hold no control characters.
    pub forbids_control: bool,
}

/// Why a project is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To change what its lock protects.
    Change,
    /// To go on with, or end, the upload that has locked it.
    Session,
    /// To change its settings, which no lock protects.
    Settings,
    /// To remove the project itself.
    Remove,
    /// To make it where something of that name is already.
    Create,
}

/// `..LOCK` of a project: its existence means that an upload, or another change, is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Digest of the token that the session is known by.
    pub session_hash: String,
    /// Asset of the upload.
    #[serde(default)]
    pub asset: String,
    /// Version of the upload.
    #[serde(default)]
    pub version: String,
    /// What ends it: carried out again by whoever finds it after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Batch>,
}

impl Lock {
    /// Whether it keeps others away and says nothing else yet.
    fn is_claim(&self) -> bool {
        self.asset.is_empty() && self.version.is_empty() && self.ending.is_none()
    }

    /// True for all but that of an upload that goes on.
    pub(super) fn is_to_be_settled(&self) -> bool {
        self.ending.is_some() || self.is_claim()
    }
}

/// What `..LOCK` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Note {
    /// The project is locked.
    Lock(Lock),
    /// It is not: this is the receipt of what was last carried out.
    Ended {
        /// See [`Batch::receipt`].
        ended: String,
        /// When a process was about to answer, which takes the receipt away soon; `None` if it was
        /// carried out for one that had died.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered: Option<String>,
    },
}

impl Note {
    fn lock(&self) -> Option<&Lock> {
        match self {
            Self::Lock(lock) => Some(lock),
            Self::Ended { .. } => None,
        }
    }

    fn receipt(&self) -> Option<&str> {
        match self {
            Self::Lock(_) => None,
            Self::Ended { ended, .. } => Some(ended),
        }
    }

    /// True for all but the lock of an upload that goes on.
    fn is_to_be_settled(&self) -> bool {
        self.lock().is_none_or(Lock::is_to_be_settled)
    }
}

/// Changes that belong together, in the order in which they are made. Each can be repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Objects to write.
    #[serde(default)]
    pub writes: Vec<(String, Value)>,
    /// Objects to delete.
    #[serde(default)]
    pub deletes: Vec<String>,
    /// A folder to remove with everything in it.
    #[serde(default)]
    pub removed: Option<String>,
    /// What tells the request for them from all others. If a process dies before it answers, the
    /// same request succeeds afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// A project that others keep their hands off for now. Ends when dropped.
pub trait Hold {
    /// The lock as it was found or last written.
    fn lock(&self) -> Option<&Lock>;

    /// The receipt that was left instead of a lock.
    fn receipt(&self) -> Option<&str>;

    /// When the lock or the receipt was written.
    fn locked_since(&self) -> Option<SystemTime>;

    /// Takes over what the lock has noted. False if somebody may still be at work on it.
    fn take_over(&mut self) -> Result<bool, Failure>;

    /// Writes the lock. False if somebody else has locked the project first.
    fn set_lock(&mut self, lock: &Lock) -> Result<bool, Failure>;

    /// Puts a receipt into the place of the lock.
    fn leave(&mut self, receipt: &str) -> Result<(), Failure>;

    /// Unlocks the project after a change, as the last thing before its requester is told: whatever
    /// is cut off until then leaves the receipt, or the lock.
    fn release(&mut self, receipt: &str) -> Result<(), Failure>;

    /// Removes the lock, or the receipt.
    fn clear_lock(&mut self) -> Result<(), Failure>;
}

/// A store of objects. Keys that could not be told apart from others, or that lie outside of the
/// registry, name nothing.
pub trait Objects: Debug + Send + Sync {
    /// The content of an object; `None` if there is none.
    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Failure>;

    /// Size and state of an object; `None` if there is none.
    fn stat(&self, key: &str) -> Result<Option<Stat>, Failure>;

    /// Opens an object to be sent to a client.
    fn open(&self, key: &str) -> Result<Option<Content>, Failure>;

    /// Keys that begin with `prefix`, sorted. Unless `is_recursive`, those with a further `/` are
    /// cut behind it, and come first.
    fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>, Failure>;

    /// Every object below a folder, in order of the keys. A store that is not at hand asks for the
    /// keys that are `expected`, in any order: where these are many, it lists several parts at once.
    fn below(
        &self,
        folder: &str,
        expected: &dyn Fn() -> Vec<String>,
        job: &Job,
    ) -> Result<Vec<Listed>, Failure>;

    /// Digests of objects that are there; most are read for that.
    fn digests(&self, keys: &[String], job: &Job) -> Result<Vec<Digest>, Failure>;

    /// Writes an object in one step.
    fn write(&self, key: &str, content: &[u8]) -> Result<(), Failure>;

    /// Deletes an object; one that is not there is fine.
    fn delete(&self, key: &str) -> Result<(), Failure>;

    /// Removes everything below a folder; one that is not there is fine.
    fn remove(&self, folder: &str) -> Result<(), Failure>;

    /// Removes what dead processes have left unfinished in a folder of a project that is entered.
    /// Its own folder is swept when it is entered.
    fn sweep(&self, folder: &str) -> Result<(), Failure>;

    /// Removes the receipts of requests that were answered at least so long ago.
    fn forget(&self, since: Duration) -> Result<(), Failure>;

    /// Removes what dead processes have left unfinished outside of all projects, unless others are
    /// at work.
    fn sweep_outside(&self, job: &Job) -> Result<(), Failure>;

    /// Projects in which a dead process may have left something.
    fn marked(&self, job: &Job) -> Result<Vec<ProjectName>, Failure>;

    /// Makes a project of these objects in one step, where nothing of that name can be entered.
    /// False if there is by now. Dying before its end, it leaves the receipt.
    fn make_project(
        &self,
        project: &ProjectName,
        objects: &[(&str, Value)],
        receipt: &str,
        job: &Job,
    ) -> Result<bool, Failure>;

    /// Enters a project; `None` if there is nothing of that name, which a store may be unable to
    /// tell from one that is to be made.
    fn enter(
        &self,
        project: &ProjectName,
        purpose: Purpose,
        job: &Job,
    ) -> Result<Option<Box<dyn Hold + '_>>, Failure>;

    /// The lock of a project as it is now; `None` for a receipt, too.
    fn lock_of(&self, project: &ProjectName) -> Result<Option<Lock>, Failure>;

    /// Begins to receive an object, or `None` if clients send it to the store itself.
    fn receive(&self, key: &str) -> Result<Option<Incoming>, Failure>;

    /// Gives received objects their names, if the project is still locked by `lock`.
    fn place(
        &self,
        project: &ProjectName,
        lock: &Lock,
        received: Vec<Incoming>,
        job: &Job,
    ) -> Result<bool, Failure>;

    /// A URL at which the store itself takes an object of that digest; `None` if objects are sent to
    /// the service.
    fn presign(
        &self,
        key: &str,
        md5: Digest,
        lifetime: Duration,
    ) -> Result<Option<String>, Failure>;

    /// What names cannot be.
    fn limits(&self) -> Limits;

    /// True if reading an object asks nobody else for it.
    fn is_at_hand(&self) -> bool;
}
