//! Who may act in the name of whom.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::error::IoContext;
use crate::{Error, Result};

/// The content of a spoofing file: lines `spoofer:user,user,...`.
///
/// 1. Blank lines and lines that begin with `#` are ignored.
/// 2. A line has exactly one `:`; what is before it is the spoofer. Names are not trimmed.
/// 3. A line with nothing after its `:` is skipped; of several lines of one spoofer the last counts.
/// 4. A spoofer may act as each user listed, and, if `*` is listed, as everybody except each `-user`
///    listed. Nobody else may act as another, and nobody may name himself without a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoofing {
    listed: HashMap<String, HashSet<String>>,
}

impl Spoofing {
    /// Reads a spoofing file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read(file).at(file)?;
        let text = String::from_utf8(text)
            .map_err(|_| Error::invalid("spoofing file", file.to_string_lossy(), "not UTF-8"))?;
        Self::parse(&text).map_err(|(line, why)| {
            let value = format!("{}:{line}", file.display());
            Error::invalid("line in the spoofing file", value, why)
        })
    }

    /// Parses the text of a spoofing file; a bad line is told by its number, from 1.
    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut listed = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (spoofer, users) =
                line.split_once(':')
                    .filter(|(_, users)| !users.contains(':'))
                    .ok_or((index + 1, "expected `SPOOFER:USER,USER,...` with exactly one `:`"))?;
            if !users.is_empty() {
                let users = users.split(',').map(str::to_owned).collect();
                listed.insert(spoofer.to_owned(), users);
            }
        }
        Ok(Self { listed })
    }

    /// True if `spoofer` may act as `user`.
    pub fn allows(&self, spoofer: &str, user: &str) -> bool {
        self.listed.get(spoofer).is_some_and(|users| {
            users.contains(user) || (users.contains("*") && !users.contains(&format!("-{user}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_users_wildcards_and_exclusions() {
        let spoofing =
            Spoofing::parse("# who as whom\n\nann:bob,cat\neve:*,-bob\r\nzoe:-bob\n").unwrap();
        assert!(spoofing.allows("ann", "bob") && spoofing.allows("ann", "cat"));
        assert!(!spoofing.allows("ann", "ann") && !spoofing.allows("ann", "*"));
        assert!(spoofing.allows("eve", "cat") && spoofing.allows("eve", "eve"));
        assert!(!spoofing.allows("eve", "bob"));
        assert!(!spoofing.allows("zoe", "cat") && !spoofing.allows("bob", "ann"));
    }

    #[test]
    fn the_last_line_with_users_counts_and_names_are_not_trimmed() {
        let spoofing = Spoofing::parse("ann:bob\nann: cat\nann:\n").unwrap();
        assert!(!spoofing.allows("ann", "bob") && !spoofing.allows("ann", "cat"));
        assert!(spoofing.allows("ann", " cat"));
    }

    #[test]
    fn bad_lines_are_told_by_number() {
        assert_eq!(Spoofing::parse("ann:bob\n\nann\n").unwrap_err().0, 3);
        assert_eq!(Spoofing::parse("a:b:c").unwrap_err().0, 1);
    }
}
