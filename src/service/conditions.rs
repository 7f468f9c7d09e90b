//! What a request asks for of some content: its conditions, and the ranges of bytes.

use std::fs;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};

use crate::service::answer::empty;

/// The first time whose year has more than four digits.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// A header of what is known to be printable.
pub(crate) fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("made of visible ASCII letters")
}

/// The modification time in whole seconds, as headers have it. None for times before 1970, for the
/// epoch itself, which file systems without times report, and for times that headers cannot say.
pub(crate) fn last_modified(metadata: &fs::Metadata) -> Option<SystemTime> {
    whole_seconds(metadata.modified().ok()?)
}

/// A time as headers have it, if they can say it.
pub(crate) fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let seconds = Duration::from_secs(since.as_secs());
    let can_be_said = !seconds.is_zero() && seconds < YEAR_10000;
    can_be_said.then(|| SystemTime::UNIX_EPOCH + seconds)
}

/// Adds the header of that time, if there is one.
pub(crate) fn insert_last_modified(headers: &mut HeaderMap, modified: Option<SystemTime>) {
    if let Some(modified) = modified {
        headers.insert(header::LAST_MODIFIED, value(httpdate::fmt_http_date(modified)));
    }
}

/// 304: what the client has is right.
pub(crate) fn not_modified(modified: Option<SystemTime>) -> Response<Body> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    insert_last_modified(response.headers_mut(), modified);
    response
}

/// What the conditions of a request come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// 412.
    PreconditionFailed,
    /// 304.
    NotModified,
    /// The content, or the part of it that the `Range` header asks for.
    Send(Option<&'a str>),
}

/// Evaluates the conditions in the order of RFC 9110, section 13.2.2. Without an entity tag, none
/// matches.
pub(crate) fn evaluate<'a>(
    headers: &'a HeaderMap,
    modified: Option<SystemTime>,
    etag: Option<&str>,
) -> Verdict<'a> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let time = |name| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
    let is_ours = |tag: &str| etag.is_some_and(|etag| tag.trim() == etag);
    let is_any = |tags: &str| tags.trim() == "*" || tags.split(',').any(is_ours);
    match (text(header::IF_MATCH), time(header::IF_UNMODIFIED_SINCE), modified) {
        (Some(tags), ..) if !is_any(tags) => return Verdict::PreconditionFailed,
        (None, Some(limit), Some(modified)) if modified > limit => {
            return Verdict::PreconditionFailed;
        }
        _ => {}
    }
    let is_weakly_any = |tags: &str| {
        tags.trim() == "*"
            || tags.split(',').any(|tag| is_ours(tag.trim().trim_start_matches("W/")))
    };
    match (text(header::IF_NONE_MATCH), modified) {
        (Some(tags), _) if is_weakly_any(tags) => return Verdict::NotModified,
        (None, Some(modified)) if !is_modified_since(headers, modified) => {
            return Verdict::NotModified;
        }
        _ => {}
    }
    let range = text(header::RANGE);
    let is_same = match text(header::IF_RANGE) {
        None => true,
        Some(tag) if is_ours(tag) => true,
        Some(_) => modified.is_some() && time(header::IF_RANGE) == modified,
    };
    Verdict::Send(range.filter(|_| is_same))
}

/// False if the client says that it has seen the content as it is.
pub(crate) fn is_modified_since(headers: &HeaderMap, modified: SystemTime) -> bool {
    headers
        .get(header::IF_MODIFIED_SINCE)
        .and_then(|value| httpdate::parse_http_date(value.to_str().ok()?).ok())
        .is_none_or(|limit| modified > limit)
}

/// Why a range cannot be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRange {
    /// It is no list of ranges of bytes.
    #[error("invalid range")]
    Syntax,
    /// All of it is behind the end.
    #[error("invalid range: failed to overlap")]
    Outside,
}

/// Parses a `Range` header. No ranges means the whole content, also if the ranges are larger
/// together than the content.
pub(crate) fn parse_ranges(text: &str, size: u64) -> Result<Vec<Range<u64>>, BadRange> {
    let specs = text.strip_prefix("bytes=").ok_or(BadRange::Syntax)?;
    let mut ranges = Vec::new();
    let mut is_outside = false;
    for spec in specs.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        let (first, last) = spec.split_once('-').ok_or(BadRange::Syntax)?;
        let (first, last) = (number(first)?, number(last)?);
        let range = match (first, last) {
            (None, Some(length)) => size.saturating_sub(length)..size,
            (Some(first), None) => first..size,
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            (None, None) | (Some(_), Some(_)) => return Err(BadRange::Syntax),
        };
        if range.start < range.end {
            ranges.push(range);
        } else {
            is_outside = true;
        }
    }
    if is_outside && ranges.is_empty() {
        return Err(BadRange::Outside);
    }
    let sum = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.end - range.start));
    if sum > size {
        ranges.clear();
    }
    Ok(ranges)
}

fn number(text: &str) -> Result<Option<u64>, BadRange> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadRange::Syntax);
    }
    text.parse().map(Some).map_err(|_| BadRange::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed() {
        for (text, ranges) in [
            ("bytes=2-4", &[(2, 5)][..]),
            ("bytes=7-", &[(7, 10)]),
            ("bytes=-3", &[(7, 10)]),
            ("bytes=-30", &[(0, 10)]),
            ("bytes=8-99", &[(8, 10)]),
            ("bytes= 0-0 , ,-1", &[(0, 1), (9, 10)]),
            ("bytes=0-0,20-30", &[(0, 1)]),
            ("bytes=0-9,0-9", &[]),
            ("bytes=", &[]),
        ] {
            let parsed = parse_ranges(text, 10).unwrap();
            let parsed: Vec<_> = parsed.into_iter().map(|range| (range.start, range.end)).collect();
            assert_eq!(parsed, ranges, "{text}");
        }
        for text in ["bytes=20-30", "bytes=10-", "bytes=-0"] {
            assert_eq!(parse_ranges(text, 10), Err(BadRange::Outside), "{text}");
        }
        for text in ["items=0-1", "bytes=1", "bytes=-", "bytes=4-2", "bytes=--1", "bytes=+1-2"] {
            assert_eq!(parse_ranges(text, 10), Err(BadRange::Syntax), "{text}");
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn verdict(pairs: &[(header::HeaderName, &str)], modified: u64) -> String {
        let headers: HeaderMap =
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        format!("{:?}", evaluate(&headers, Some(at(modified)), Some("\"ours\"")))
    }

    #[test]
    fn conditions_are_evaluated_in_order() {
        let time = httpdate::fmt_http_date(at(1000));
        let time = time.as_str();
        for (name, before, same, after) in [
            (header::IF_MODIFIED_SINCE, "NotModified", "NotModified", "Send(None)"),
            (header::IF_UNMODIFIED_SINCE, "Send(None)", "Send(None)", "PreconditionFailed"),
        ] {
            assert_eq!(verdict(&[(name.clone(), time)], 999), before);
            assert_eq!(verdict(&[(name.clone(), time)], 1000), same);
            assert_eq!(verdict(&[(name.clone(), time)], 1001), after);
            assert_eq!(verdict(&[(name, "yesterday")], 1001), "Send(None)");
        }
        let range = (header::RANGE, "bytes=0-");
        let whole = "Send(None)";
        let part = "Send(Some(\"bytes=0-\"))";
        assert_eq!(verdict(std::slice::from_ref(&range), 1), part);
        assert_eq!(verdict(&[range.clone(), (header::IF_RANGE, time)], 1000), part);
        assert_eq!(verdict(&[range.clone(), (header::IF_RANGE, time)], 999), whole);
        assert_eq!(verdict(&[range.clone(), (header::IF_RANGE, "\"ours\"")], 1000), part);
        assert_eq!(verdict(&[range, (header::IF_RANGE, "\"tag\"")], 1000), whole);
        assert_eq!(verdict(&[(header::IF_MATCH, "\"tag\"")], 1), "PreconditionFailed");
        assert_eq!(verdict(&[(header::IF_MATCH, "*")], 1), whole);
        assert_eq!(verdict(&[(header::IF_MATCH, "\"a\", \"ours\"")], 1), whole);
        assert_eq!(verdict(&[(header::IF_NONE_MATCH, "\"a\", W/\"ours\"")], 1), "NotModified");
        assert_eq!(verdict(&[(header::IF_NONE_MATCH, "*")], 1), "NotModified");
        assert_eq!(
            verdict(&[(header::IF_NONE_MATCH, "\"tag\""), (header::IF_MODIFIED_SINCE, time)], 1),
            whole
        );
    }
}
