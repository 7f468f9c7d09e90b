//! Where files of the registry may be, whatever links say.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::registry::format::layout::Layout;
use crate::system::{self, Links, Stat};

/// The directories whose content may be served.
#[derive(Debug)]
pub(super) struct Roots {
    layout: Layout,
    whitelist: Vec<PathBuf>,
}

impl Roots {
    /// The registry, and directories outside of it that its links may point to.
    pub(super) fn new(layout: Layout, whitelist: Vec<PathBuf>) -> Self {
        Self { layout, whitelist }
    }

    /// The registry.
    pub(super) fn registry(&self) -> &Path {
        self.layout.root()
    }

    /// Where its projects may be.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Opens what is at `path`, relative to the registry and without `..`.
    ///
    /// Links are followed, but what is really opened lies in the registry or in a whitelisted
    /// directory; anything else does not exist.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        if let Some(result) = system::open_inside(self.registry(), path) {
            return result;
        }
        let whole = self.registry().join(path);
        let file = system::open(&whole, Links::Follow)?;
        self.check(&system::real_path(&file).or_else(|_| real_path_by_name(&file, &whole))?)?;
        Ok(file)
    }

    /// Fails unless the real path of a folder lies in the registry or a whitelisted directory.
    pub(super) fn check_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(&fs::canonicalize(folder)?)
    }

    /// Fails unless a real path lies in the registry or a whitelisted directory.
    pub(super) fn check(&self, real: &Path) -> io::Result<()> {
        let lies_in = |root: &Path| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        let mut others = self.layout.allowed().iter().chain(&self.whitelist);
        if lies_in(self.registry()) || others.any(|root| lies_in(root)) {
            Ok(())
        } else {
            Err(system::error(io::ErrorKind::NotFound))
        }
    }
}

/// The path of an open file where the system does not tell it.
fn real_path_by_name(file: &File, name: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(name)?;
    let named = Stat::from(&fs::symlink_metadata(&real)?);
    if Stat::of(file)?.identity.place == named.identity.place {
        Ok(real)
    } else {
        // Something else has taken its place meanwhile.
        Err(system::error(io::ErrorKind::NotFound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::new_link as symlink;

    #[test]
    fn links_lead_only_to_the_registry_and_the_whitelist() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["registry/p", "white", "black", "other"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["registry/p/f", "white/f", "black/f"] {
            fs::write(at(name), name).unwrap();
        }
        for (target, link) in [
            ("../p/f".into(), "registry/p/relative"),
            (at("registry/p/f"), "registry/p/absolute"),
            ("../../registry/p/f".into(), "registry/p/around"),
            (at("white/f"), "registry/p/white"),
            (at("white"), "registry/p/whites"),
            (at("black/f"), "registry/p/black"),
            ("../../black/f".into(), "registry/p/blacker"),
            (at("black"), "registry/p/blacks"),
            (at("black/f"), "white/black"),
            (at("white/black"), "registry/p/detour"),
            ("loop".into(), "registry/p/loop"),
            ("nothing".into(), "registry/p/dangling"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        symlink(at("white"), at("listed")).unwrap();
        let roots = Roots::new(Layout::new(at("registry")), vec![at("listed")]);
        let opened = |name: &str| {
            roots.open(Path::new(name)).and_then(io::read_to_string).map_err(|error| error.kind())
        };
        for name in ["p/f", "p/relative", "p/absolute", "p/around"] {
            assert_eq!(opened(name).unwrap(), "registry/p/f", "{name}");
        }
        for name in ["p/white", "p/whites/f"] {
            assert_eq!(opened(name).unwrap(), "white/f", "{name}");
        }
        for name in ["p/black", "p/blacker", "p/blacks/f", "p/detour", "p/dangling", "p/none"] {
            assert_eq!(opened(name), Err(io::ErrorKind::NotFound), "{name}");
        }
        assert!(opened("p/loop").is_err());
    }
}
