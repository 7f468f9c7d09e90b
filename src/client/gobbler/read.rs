//! Internal files of a registry, read where they are.

use super::remote::Remote;
use super::source::Source;
use crate::error::IoContext;
use crate::fs::once_more_if_stale;
use crate::http::Document;
use crate::job::Job;
use crate::registry::read::is_absent;
use crate::relpath::RelPath;
use crate::{Result, runtime};

/// Reads one file, never through a cache; `None` if it is missing and `is_optional`.
pub fn read_document(
    source: &Source,
    path: &RelPath,
    is_optional: bool,
    job: &Job,
) -> Result<Option<Document>> {
    let read = match source {
        Source::Local(registry) => {
            let file = path.under(registry);
            let body = once_more_if_stale(|| std::fs::read(&file)).at(&file);
            body.map(|body| Document::of_file(&file, body))
        }
        Source::Remote(url) => {
            let runtime = runtime::current()?;
            let remote = Remote::new(url, &runtime)?;
            runtime.block_on(remote.read(path, job))
        }
    };
    match read {
        Ok(document) => Ok(Some(document)),
        Err(error) if is_optional && is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_optional_may_be_missing() {
        let registry = tempfile::tempdir().unwrap();
        std::fs::write(registry.path().join("f"), "{}").unwrap();
        let source = Source::Local(registry.path().to_owned());
        let read = |path: &str, is_optional| {
            read_document(&source, &RelPath::parse(path).unwrap(), is_optional, &Job::default())
        };
        assert_eq!(read("f", false).unwrap().unwrap().body, b"{}");
        assert!(read("g", true).unwrap().is_none());
        assert_eq!(read("g", false).unwrap_err().io_kind(), Some(std::io::ErrorKind::NotFound));
    }
}
