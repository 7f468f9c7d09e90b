//! Media types of files, by name or else by the first bytes.
//!
//! Names are looked up in `mime_guess`. Why no crate for the bytes: the original service tells 35
//! beginnings apart, by the list that browsers have, and of these `infer` 0.22 and `mime-sniffer` 0.1
//! name 13 each as it does. Files would change their types with the service.

use std::borrow::Cow;

/// How many bytes [`sniff`] looks at.
pub(crate) const SNIFFED_BYTES: usize = 512;

/// The media type that goes with the extension of a file name, if it is a known one.
///
/// Internal files (`..manifest`) have no extension.
pub(crate) fn of_name(name: &str) -> Option<Cow<'static, str>> {
    let (_, extension) = name.rsplit_once('.').filter(|_| !name.starts_with(".."))?;
    let known = mime_guess::from_ext(extension).first_raw()?;
    Some(if known.starts_with("text/") {
        Cow::Owned(format!("{known}; charset=utf-8"))
    } else {
        Cow::Borrowed(known)
    })
}

/// Byte signatures at the start of a file.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff", "text/plain; charset=utf-16be"),
    (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"\0\x01\0\0", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\0", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
];

/// What follows four bytes of length in a container.
const CONTAINERS: &[(&[u8], &[u8], &str)] = &[
    (b"FORM", b"AIFF", "audio/aiff"),
    (b"RIFF", b"AVI ", "video/avi"),
    (b"RIFF", b"WAVE", "audio/wave"),
    (b"RIFF", b"WEBPVP", "image/webp"),
];

/// Tags that make a text HTML, after white space, in any case, before a space or `>`.
const TAGS: &[&[u8]] = &[
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// The media type that the first bytes of a file suggest.
pub(crate) fn sniff(start: &[u8]) -> &'static str {
    let start = &start[..start.len().min(SNIFFED_BYTES)];
    let text = start.trim_ascii_start();
    let is_tag = |tag: &&[u8]| {
        text.len() > tag.len()
            && text[..tag.len()].eq_ignore_ascii_case(tag)
            && matches!(text[tag.len()], b' ' | b'>')
    };
    if TAGS.iter().any(is_tag) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, known)) = SIGNATURES.iter().find(|(bytes, _)| start.starts_with(bytes)) {
        return known;
    }
    let is_container = |(outer, inner, _): &&(&[u8], &[u8], &str)| {
        start.starts_with(outer) && start.get(8..).is_some_and(|rest| rest.starts_with(inner))
    };
    if let Some((.., known)) = CONTAINERS.iter().find(is_container) {
        return known;
    }
    if start.get(4..11) == Some(b"ftypmp4") {
        return "video/mp4";
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if start.iter().any(is_binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_known() {
        for (name, expected) in [
            ("f.txt", "text/plain; charset=utf-8"),
            ("g.JSON", "application/json"),
            ("page.html", "text/html; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("x.png", "image/png"),
        ] {
            assert_eq!(of_name(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["noext", "..manifest", "..summary", "x.unknown", "x."] {
            assert_eq!(of_name(name), None, "{name}");
        }
    }

    #[test]
    fn first_bytes_tell_the_rest() {
        for (start, expected) in [
            (&b""[..], "text/plain; charset=utf-8"),
            (b"plain \xc3\xa9", "text/plain; charset=utf-8"),
            (b"{\n}", "text/plain; charset=utf-8"),
            (b" \n<!doctype html>", "text/html; charset=utf-8"),
            (b"<table", "text/plain; charset=utf-8"),
            (b"<?xml version", "text/xml; charset=utf-8"),
            (b"\x89PNG\r\n\x1a\n...", "image/png"),
            (b"RIFF1234WAVEfmt", "audio/wave"),
            (b"\x1f\x8b\x08\0", "application/x-gzip"),
            (b"\x89HDF\r\n\x1a\n\0", "application/octet-stream"),
        ] {
            assert_eq!(sniff(start), expected, "{start:?}");
        }
    }
}
