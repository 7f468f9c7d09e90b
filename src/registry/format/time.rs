//! Points in time as registries write them: RFC 3339, by a Gobbler in whole seconds with the local
//! offset or `Z`, by gypsum in milliseconds and UTC, as its clients compare them.

use chrono::{DateTime, FixedOffset, Local, NaiveDateTime, SecondsFormat, Utc};

/// The present time as a Gobbler writes it.
pub fn now() -> String {
    Local::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The present time as gypsum writes it.
pub fn now_in_utc() -> String {
    in_utc(Utc::now())
}

/// A time as gypsum writes it.
pub fn in_utc(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The present year.
pub fn year() -> i32 {
    chrono::Datelike::year(&Utc::now())
}

/// Reads a time with or without a fraction.
pub fn parse(text: &str) -> Result<DateTime<FixedOffset>, String> {
    let is_strict = matches!(text.as_bytes().get(10), Some(b'T'));
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) if is_strict => Ok(time),
        _ => Err(format!("{text:?} is not a time as RFC 3339 has it, like 2006-01-02T15:04:05Z")),
    }
}

/// Reads a time as gypsum does: with any offset, or without one in UTC.
pub fn parse_any(text: &str) -> Option<DateTime<Utc>> {
    let digits = text.as_bytes();
    if !matches!(digits.first(), Some(b'1'..=b'9')) || digits.get(10) != Some(&b'T') {
        return None;
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| time.and_utc())
}

/// True if `until` is a time that is not before the present.
pub fn is_ahead(until: &str) -> bool {
    parse(until).is_ok_and(|until| until >= Utc::now())
}

/// The same, read as gypsum does.
pub fn is_ahead_any(until: &str) -> bool {
    parse_any(until).is_some_and(|until| until >= Utc::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_compared_across_offsets() {
        let early = parse("2020-01-02T00:00:00Z").unwrap();
        let late = parse("2020-01-01T23:30:00.5-01:00").unwrap();
        assert!(late > early);
        for is_ahead in [is_ahead, is_ahead_any] {
            assert!(is_ahead("2999-01-01T00:00:00Z") && !is_ahead("2000-01-01T00:00:00Z"));
            assert!(!is_ahead("tomorrow"));
        }
    }

    #[test]
    fn each_kind_of_registry_reads_what_it_writes() {
        assert!(parse(&now()).is_ok());
        assert_eq!(now().find('.'), None);
        let now = now_in_utc();
        assert_eq!(in_utc(parse_any(&now).unwrap()), now);
        assert_eq!(&now[19..20], ".");
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in
            ["yesterday", "2020-01-01", "2020-01-01T00:00:00", "2020-13-01T00:00:00Z", "é020-01-01"]
        {
            assert!(parse(text).unwrap_err().starts_with(&format!("{text:?}")), "{text}");
        }
        // As others may write it.
        assert!(
            parse("2020-01-01 00:00:00Z").is_err() && parse_any("2020-01-01 00:00:00Z").is_none()
        );
        assert_eq!(parse_any("2020-01-01T00:00:00"), parse_any("2020-01-01T01:00:00+01:00"));
        assert_eq!(parse_any("0020-01-01T00:00:00Z"), None);
    }
}
