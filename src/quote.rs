//! Texts in URLs: percent-encoding as `urllib` does it.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Quotes a path, leaving its slashes.
pub(crate) fn quote_path(path: &str) -> String {
    separated(path, '/', "/")
}

/// Quotes one component of a path or one value of a query: slashes too, and `%20` for a blank.
pub(crate) fn quote_component(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Quotes a value of a query, with `+` for a blank and `%2F` for a slash.
pub(crate) fn quote_plus(value: &str) -> String {
    separated(value, ' ', "+")
}

fn separated(text: &str, by: char, between: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 16);
    for (index, part) in text.split(by).enumerate() {
        let start = if index > 0 { between } else { "" };
        // Writing to a text cannot fail.
        let _ = write!(quoted, "{start}{}", utf8_percent_encode(part, RESERVED));
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_that_of_urllib() {
        assert_eq!(quote_path("a b/c#?%41+é'"), "a%20b/c%23%3F%2541%2B%C3%A9%27");
        assert_eq!(quote_plus("http://h:80/a b+~"), "http%3A%2F%2Fh%3A80%2Fa+b%2B~");
        assert_eq!(quote_component("a b/ü"), "a%20b%2F%C3%BC");
    }
}
