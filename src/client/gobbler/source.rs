//! The choice between a registry at hand and its service.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Where to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A registry whose files can be opened.
    Local(PathBuf),
    /// A service at this URL.
    Remote(String),
}

impl Source {
    /// The registry if it is there, unless `force_remote`; else the service.
    pub fn choose(registry: Option<&Path>, url: Option<&str>, force_remote: bool) -> Result<Self> {
        match (registry, url) {
            (Some(registry), _) if !force_remote && registry.exists() => {
                Ok(Self::Local(registry.to_owned()))
            }
            (_, Some(url)) => Ok(Self::Remote(url.to_owned())),
            (registry, None) => {
                let registry = registry.unwrap_or(Path::new("")).display();
                Err(Error::invalid(
                    "url",
                    "None",
                    format!(
                        "the registry `{registry}` cannot be read here; give the service's URL"
                    ),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_at_hand_is_preferred() {
        let folder = tempfile::tempdir().unwrap();
        let choose = |registry, url, force| Source::choose(registry, url, force);
        let local = Source::Local(folder.path().to_owned());
        let remote = Source::Remote("http://h".into());
        assert_eq!(choose(Some(folder.path()), None, false).unwrap(), local);
        assert_eq!(choose(Some(folder.path()), Some("http://h"), true).unwrap(), remote);
        assert_eq!(choose(Some(Path::new("/no/such")), Some("http://h"), false).unwrap(), remote);
        assert!(choose(Some(Path::new("/no/such")), None, false).is_err());
    }
}
