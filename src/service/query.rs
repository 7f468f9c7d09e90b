//! Values in the query of a URL, and other text that is escaped.

use percent_encoding::percent_decode;

/// A `%` that is not followed by two hexadecimal digits, with up to two bytes after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadEscape(pub(super) String);

/// Fails if there is a bad escape.
pub(super) fn check(text: &[u8]) -> Result<(), BadEscape> {
    let bad = (0..text.len()).filter(|at| text[*at] == b'%').find_map(|at| {
        let escape = &text[at..text.len().min(at + 3)];
        let is_good = escape.len() == 3 && escape[1..].iter().all(u8::is_ascii_hexdigit);
        (!is_good).then_some(escape)
    });
    bad.map_or(Ok(()), |escape| Err(BadEscape(String::from_utf8_lossy(escape).into_owned())))
}

/// Decodes `%XX`.
pub(super) fn unescape(text: &[u8]) -> Result<Vec<u8>, BadEscape> {
    check(text)?;
    Ok(percent_decode(text).collect())
}

/// Decodes a name or a value of a query: `%XX`, and `+` as a blank.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, BadEscape> {
    check(text)?;
    let text: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Ok(percent_decode(&text).collect())
}

/// The values of a key in the order of a query, still escaped, and bad escapes in names before them.
pub(super) fn values<'a>(
    query: &'a str,
    key: &'a str,
) -> impl Iterator<Item = Result<&'a str, BadEscape>> {
    query.split('&').filter_map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match decode(name.as_bytes()) {
            Ok(name) => (name == key.as_bytes()).then_some(Ok(value)),
            Err(bad) => Some(Err(bad)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_once() {
        for (text, plain, of_query) in [
            ("a+b", "a+b", "a b"),
            ("a%20b", "a b", "a b"),
            ("%2525", "%25", "%25"),
            ("%C3%BC%2b", "ü+", "ü+"),
        ] {
            assert_eq!(unescape(text.as_bytes()).unwrap(), plain.as_bytes(), "{text}");
            assert_eq!(decode(text.as_bytes()).unwrap(), of_query.as_bytes(), "{text}");
        }
        for (text, escape) in [("%", "%"), ("x%2", "%2"), ("%zz", "%zz"), ("a%+1%zz", "%+1")] {
            assert_eq!(unescape(text.as_bytes()), Err(BadEscape(escape.to_owned())));
            assert_eq!(decode(text.as_bytes()), Err(BadEscape(escape.to_owned())));
        }
    }

    #[test]
    fn values_come_in_order() {
        let all = |query: &'static str| -> Vec<_> {
            values(query, "k").map(|value| value.map_err(|bad| bad.0)).collect()
        };
        assert_eq!(all("k=1&j=2&%6b=a%2Fb&k&k=a=b"), [Ok("1"), Ok("a%2Fb"), Ok(""), Ok("a=b")]);
        assert_eq!(all("%=x&k=%"), [Err("%".to_owned()), Ok("%")]);
        assert_eq!(all(""), []);
    }
}
