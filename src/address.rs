//! Addresses: how users name what is in a registry.
//!
//! ```text
//! address = scheme ":" ["//"] [project ["/" asset ["/" version ["/" path]]]] | local path
//! scheme  = "gobbler" | "gypsum"
//! version = NAME | "@latest"
//! ```
//!
//! Nothing is percent-decoded: `%`, `#` and `?` are letters like others. A slash at the end says that a
//! folder is meant. `girder:` is followed by what its own client looks up. Everything else is a
//! path of this system; `./gobbler:x` names a local file.

use std::fmt;

use crate::names::{AssetName, BadName, ProjectName, VersionName};
use crate::relpath::RelPath;
use crate::{Error, Result};

/// Stands for the latest version of an asset.
pub const LATEST: &str = "@latest";

/// Which kind of registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// The Gobbler's.
    Gobbler,
    /// gypsum's.
    Gypsum,
    /// Girder's data, whose paths its own client knows.
    Girder,
}

impl Scheme {
    /// Its name, without a colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gobbler => "gobbler",
            Self::Gypsum => "gypsum",
            Self::Girder => "girder",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Gobbler, Self::Gypsum, Self::Girder].into_iter().find(|one| one.as_str() == text)
    }
}

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A registry, or something in it.
    Registry {
        /// Which kind of registry.
        scheme: Scheme,
        /// The project, if one is named.
        project: Option<ProjectName>,
        /// The asset, if one is named.
        asset: Option<AssetName>,
        /// The version, or [`LATEST`], if one is named.
        version: Option<VersionName>,
        /// What is in the version, or all of a path of Girder.
        path: Option<RelPath>,
        /// Whether it must be a folder.
        is_folder: bool,
    },
    /// A path of this system, as it was given.
    Local(String),
}

impl Address {
    /// Accepts an address or says which part is wrong, and why.
    pub fn parse(text: &str) -> Result<Self> {
        let named = text.split_once(':').and_then(|(scheme, rest)| {
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            Some((Scheme::parse(scheme)?, rest))
        });
        let Some((scheme, rest)) = named else {
            return if text.is_empty() {
                Err(Error::invalid("address", text, "it is empty"))
            } else {
                Ok(Self::Local(text.to_owned()))
            };
        };
        let wrong = |component: &'static str, value: &str, why: &str| Error::Address {
            component,
            value: value.to_owned(),
            address: text.to_owned(),
            why: why.to_owned(),
        };
        let bad = |component, value, fault| wrong(component, value, rule(fault));
        let inside = |path: &str| {
            RelPath::parse(path).map_err(|error| match error {
                Error::UnsafePath { why, .. } => wrong("path", path, why),
                other => other,
            })
        };
        let folder = rest.strip_suffix('/');
        let names = folder.unwrap_or(rest);
        // Without a name there is nothing that could be a file.
        let is_folder = folder.is_some() && !names.is_empty();
        let (mut project, mut asset, mut version, mut path) = (None, None, None, None);
        if scheme == Scheme::Girder {
            path = if names.is_empty() { None } else { Some(inside(names)?) };
        } else if !rest.is_empty() {
            for (level, name) in names.splitn(4, '/').enumerate() {
                match level {
                    0 => {
                        let parsed = ProjectName::parse(name);
                        project = Some(parsed.map_err(|fault| bad("project", name, fault))?);
                    }
                    1 => {
                        let parsed = AssetName::parse(name);
                        asset = Some(parsed.map_err(|fault| bad("asset", name, fault))?);
                    }
                    2 => {
                        let parsed = VersionName::parse(name);
                        version = Some(parsed.map_err(|fault| bad("version", name, fault))?);
                    }
                    _ => path = Some(inside(name)?),
                }
            }
        }
        Ok(Self::Registry { scheme, project, asset, version, path, is_folder })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Registry { scheme, project, asset, version, path, is_folder } = self else {
            let Self::Local(path) = self else { return Ok(()) };
            return formatter.write_str(path);
        };
        let parts = [
            project.as_ref().map(ProjectName::as_str),
            asset.as_ref().map(AssetName::as_str),
            version.as_ref().map(VersionName::as_str),
            path.as_ref().map(RelPath::as_str),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        write!(formatter, "{}://{}", scheme.as_str(), parts.join("/"))?;
        if *is_folder && !parts.is_empty() { formatter.write_str("/") } else { Ok(()) }
    }
}

/// The rule that a name breaks, in words for those who write addresses.
fn rule(fault: BadName) -> &'static str {
    match fault {
        BadName::Empty => "names cannot be empty",
        BadName::Slash => "names cannot contain `/` or `\\`",
        BadName::Internal => "names cannot begin with `..`",
        BadName::Dot => "names cannot be `.`",
        BadName::Control => "names cannot contain control characters",
        BadName::TooLong => "names cannot be longer than 255 bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, Vec<String>, bool) {
        let parsed = Address::parse(text).unwrap();
        let Address::Registry { project, asset, version, path, is_folder, .. } = &parsed else {
            return (parsed.to_string(), Vec::new(), false);
        };
        let names = [
            project.as_ref().map(ToString::to_string),
            asset.as_ref().map(ToString::to_string),
            version.as_ref().map(ToString::to_string),
            path.as_ref().map(ToString::to_string),
        ];
        (parsed.to_string(), names.into_iter().flatten().collect(), *is_folder)
    }

    #[test]
    fn both_forms_name_the_same() {
        for (text, whole, names, is_folder) in [
            ("gobbler:", "gobbler://", &[][..], false),
            ("gypsum://", "gypsum://", &[], false),
            ("gobbler:p", "gobbler://p", &["p"], false),
            ("gobbler://p/a/", "gobbler://p/a/", &["p", "a"], true),
            ("gypsum:p/a/@latest", "gypsum://p/a/@latest", &["p", "a", "@latest"], false),
            (
                "gobbler:p/a/v/x/%41#?",
                "gobbler://p/a/v/x/%41#?",
                &["p", "a", "v", "x/%41#?"],
                false,
            ),
            ("gypsum://p/a/v/d/", "gypsum://p/a/v/d/", &["p", "a", "v", "d"], true),
            ("girder:collection/C/x", "girder://collection/C/x", &["collection/C/x"], false),
            ("girder:", "girder://", &[], false),
            ("girder:/", "girder://", &[], false),
        ] {
            let expected =
                (whole.to_owned(), names.iter().map(ToString::to_string).collect(), is_folder);
            assert_eq!(parts(text), expected, "{text}");
            assert_eq!(parts(whole), expected, "{whole}");
        }
    }

    #[test]
    fn everything_else_is_a_local_path() {
        for text in ["x", "./gobbler:x", "-", "C:\\x", "http://h/x", "Gobbler:p", "a:b", "/x"] {
            assert_eq!(Address::parse(text).unwrap(), Address::Local(text.to_owned()), "{text}");
        }
        assert!(Address::parse("").is_err());
    }

    #[test]
    fn a_fault_names_its_component() {
        for (text, message) in [
            (
                "gobbler:demo/..x",
                "invalid asset `..x` in `gobbler:demo/..x`: names cannot begin with `..`",
            ),
            ("gobbler:/", "invalid project `` in `gobbler:/`: names cannot be empty"),
            ("gobbler:///p", "invalid project `` in `gobbler:///p`: names cannot be empty"),
            ("gypsum:p//v", "invalid asset `` in `gypsum:p//v`: names cannot be empty"),
            ("gypsum:p/a/.", "invalid version `.` in `gypsum:p/a/.`: names cannot be `.`"),
            (
                "gypsum:p\\q",
                "invalid project `p\\q` in `gypsum:p\\q`: names cannot contain `/` or `\\`",
            ),
            (
                "gypsum:p/a/v/../x",
                "invalid path `../x` in `gypsum:p/a/v/../x`: it has a `..` component",
            ),
            ("gypsum:p/a/v//", "invalid path `` in `gypsum:p/a/v//`: it is empty"),
            ("girder:a//b", "invalid path `a//b` in `girder:a//b`: it has an empty component"),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().to_string(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_parsed_again(text in "(gobbler|gypsum|girder):(//)?[a-z./@%]{0,12}") {
            if let Ok(address) = Address::parse(&text) {
                assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
            }
        }
    }
}
