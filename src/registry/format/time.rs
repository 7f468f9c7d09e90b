//! Points in time as registries write them: RFC 3339, whole seconds, with the local offset or `Z`.

use chrono::{DateTime, FixedOffset, Local, SecondsFormat, Utc};

/// The present time.
pub fn now() -> String {
    Local::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The present year.
pub fn year() -> i32 {
    chrono::Datelike::year(&Utc::now())
}

/// Reads a time with or without a fraction; the message of a failure names what was expected.
pub fn parse(text: &str) -> Result<DateTime<FixedOffset>, String> {
    let is_strict = matches!(text.as_bytes().get(10), Some(b'T'));
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) if is_strict => Ok(time),
        _ => Err(format!("parsing time {text:?} as \"{LAYOUT}\": {}", fault(text))),
    }
}

/// True if `until` is a time that is not before the present.
pub fn is_ahead(until: &str) -> bool {
    parse(until).is_ok_and(|until| until >= Utc::now())
}

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

/// Parts of the layout: its text and how many digits it takes (0 = the text itself).
const PARTS: [(&str, usize); 12] = [
    ("2006", 4),
    ("-", 0),
    ("01", 2),
    ("-", 0),
    ("02", 2),
    ("T", 0),
    ("15", 2),
    (":", 0),
    ("04", 2),
    (":", 0),
    ("05", 2),
    ("Z07:00", 0),
];

/// Says which part of the layout the text does not match.
fn fault(text: &str) -> String {
    let mut rest = text;
    for (part, digits) in PARTS {
        let taken = if part == "Z07:00" {
            if let Some(fraction) = rest.strip_prefix('.') {
                rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
            }
            let is_offset = rest.len() == 6
                && rest.starts_with(['+', '-'])
                && rest[1..].chars().all(|letter| letter.is_ascii_digit() || letter == ':');
            (rest == "Z" || is_offset).then_some(rest.len())
        } else if digits > 0 {
            let found = rest.as_bytes().iter().take(digits).filter(|byte| byte.is_ascii_digit());
            (found.count() == digits).then_some(digits)
        } else {
            rest.starts_with(part).then_some(part.len())
        };
        match taken {
            Some(length) => rest = &rest[length..],
            None => return format!("cannot parse {rest:?} as {part:?}"),
        }
    }
    "value out of range".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_compared_across_offsets() {
        let early = parse("2020-01-02T00:00:00Z").unwrap();
        let late = parse("2020-01-01T23:30:00.5-01:00").unwrap();
        assert!(late > early);
        assert!(parse(&now()).is_ok());
        assert!(is_ahead("2999-01-01T00:00:00Z") && !is_ahead("2000-01-01T00:00:00Z"));
        assert!(!is_ahead("tomorrow"));
    }

    #[test]
    fn faults_name_the_part_that_does_not_match() {
        for (text, fault) in [
            ("yesterday", "cannot parse \"yesterday\" as \"2006\""),
            ("2020-01-01", "cannot parse \"\" as \"T\""),
            ("2020-01-01T00:00:00", "cannot parse \"\" as \"Z07:00\""),
            ("2020-13-01T00:00:00Z", "value out of range"),
            ("é020-01-01T00:00:00Z", "cannot parse \"é020-01-01T00:00:00Z\" as \"2006\""),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.ends_with(fault), "{message}");
        }
    }
}
