//! Writing the registry's logs.

use super::Engine;
use crate::fs::atomic;
use crate::registry::Failure;
use crate::registry::format::history::Log;
use crate::registry::format::{json, layout};

impl Engine {
    /// Writes a log; one of that name is replaced.
    pub(super) fn write_log(&self, log: &Log) -> Result<(), Failure> {
        let path = self.layout.logs().join(&log.name);
        self.replace(&path, &json::pretty(&log.event)).map_err(|error| {
            Failure::from(error).within(format!("failed to save log in '{}'", layout::LOGS))
        })
    }

    /// Takes a log back.
    pub(super) fn remove_log(&self, log: &Log) -> crate::Result<()> {
        atomic::remove_file(&self.layout.logs().join(&log.name))
    }
}
