//! Removing events that nobody follows any more.

use chrono::Utc;

use super::Bucket;
use crate::job::Job;
use crate::registry::failure::Failure;
use crate::registry::format::{layout, time};

impl Bucket {
    /// Removes events that are older than that; returns how many.
    pub fn purge_logs(&self, older_than: std::time::Duration, job: &Job) -> Result<u64, Failure> {
        let age = chrono::Duration::from_std(older_than).unwrap_or(chrono::Duration::MAX);
        let Some(limit) = Utc::now().checked_sub_signed(age) else { return Ok(0) };
        let limit = time::in_utc(limit);
        let prefix = format!("{}/", layout::LOGS);
        let mut purged = 0;
        for key in self.objects.list(&prefix, true, job)? {
            job.check()?;
            // Names begin with the time, so they compare as text.
            if key.strip_prefix(&prefix).is_some_and(|name| *name < *limit) {
                self.objects.delete(&key)?;
                purged += 1;
            }
        }
        Ok(purged)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::{Bucket, Options};
    use crate::job::Job;
    use crate::registry::bucket::store::Directory;

    #[test]
    fn old_events_are_removed_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("..logs");
        std::fs::create_dir(&logs).unwrap();
        for name in ["2020-01-01T00:00:00.000Z_123456", "2020-01-01T00:00:00+01:00_1", "2999-01-01"]
        {
            std::fs::write(logs.join(name), "{}").unwrap();
        }
        let bucket =
            Bucket::new(Arc::new(Directory::new(folder.path(), false)), Options::default());
        assert_eq!(bucket.purge_logs(Duration::from_secs(3600), &Job::default()).unwrap(), 2);
        assert_eq!(std::fs::read_dir(&logs).unwrap().count(), 1);
    }
}
