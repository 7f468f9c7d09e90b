//! Names of projects, assets and versions: parsed once, valid ever after.

use std::fmt;

/// Longest name in bytes, the limit of common file systems.
const MAX_BYTES: usize = 255;

/// Why a name is refused. The texts are part of the services' answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// The name is empty.
    #[error("name cannot be empty")]
    Empty,
    /// The name holds `/` or `\`.
    #[error("name cannot contain '/' or '\\'")]
    Slash,
    /// The name begins with `..`, which is reserved for internal files.
    #[error("name cannot start with '..'")]
    Internal,
    /// The name is `.`, which is the parent itself.
    #[error("name cannot be '.'")]
    Dot,
    /// The name holds a control character.
    #[error("name cannot contain control characters")]
    Control,
    /// The name is longer than a file name can be.
    #[error("name cannot be longer than 255 bytes")]
    TooLong,
}

fn check(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        Err(BadName::Empty)
    } else if name.contains(['/', '\\']) {
        Err(BadName::Slash)
    } else if name.starts_with("..") {
        Err(BadName::Internal)
    } else if name == "." {
        Err(BadName::Dot)
    } else if name.chars().any(char::is_control) {
        Err(BadName::Control)
    } else if name.len() > MAX_BYTES {
        Err(BadName::TooLong)
    } else {
        Ok(())
    }
}

macro_rules! name {
    ($type:ident, $what:literal) => {
        #[doc = concat!("The name of ", $what, ": one valid path component.")]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(String);

        impl $type {
            #[doc = concat!("Accepts the name of ", $what, " or says which rule it breaks.")]
            pub fn parse(name: impl Into<String>) -> Result<Self, BadName> {
                let name = name.into();
                check(&name).map(|()| Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl AsRef<std::path::Path> for $type {
            fn as_ref(&self) -> &std::path::Path {
                self.0.as_ref()
            }
        }
    };
}

name!(ProjectName, "a project");
name!(AssetName, "an asset");
name!(VersionName, "a version");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_own_reason() {
        for (name, why) in [
            ("", BadName::Empty),
            ("a/b", BadName::Slash),
            ("a\\b", BadName::Slash),
            ("..x", BadName::Internal),
            (".", BadName::Dot),
            ("a\nb", BadName::Control),
            ("a\0b", BadName::Control),
        ] {
            assert_eq!(ProjectName::parse(name), Err(why), "{name:?}");
        }
        assert_eq!(AssetName::parse("x".repeat(256)), Err(BadName::TooLong));
        assert!(VersionName::parse("x".repeat(255)).is_ok());
        for name in [".hidden", "a b", "v&1<2>", "é中", "a..b"] {
            assert!(VersionName::parse(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_its_text() {
        let name = AssetName::parse("a b").unwrap();
        assert_eq!((name.as_str(), name.to_string().as_str()), ("a b", "a b"));
        assert_eq!(std::path::Path::new("/r").join(&name), std::path::Path::new("/r/a b"));
    }
}
