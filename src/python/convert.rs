//! JSON text as Python objects, equal to what `json.loads` makes of it.
//!
//! Documents as registries write them are converted in one pass. Whatever is unusual (numbers that
//! are not small integers, lone surrogates, deep nesting, faults of all kinds) goes to Python's own
//! parser, whose result or exception then is the answer.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString};

use crate::http::Document;

/// Deeper documents are left to Python's parser, which knows its own limit.
const MOST_NESTED: usize = 64;
/// Longer keys are file names, which do not come again.
const MOST_SHARED: usize = 24;
const SHARED_SLOTS: usize = 64;
/// Python's collector is paused while larger documents are built: none of it is garbage.
const LARGE_BYTES: usize = 64 * 1024;

/// The object that a document describes.
pub(super) fn document(py: Python<'_>, document: &Document) -> PyResult<Py<PyAny>> {
    let pause =
        (document.body.len() >= LARGE_BYTES).then(|| CollectorPause::new(py)).transpose()?;
    let parsed = Parser::new(py, &document.body).parse();
    drop(pause);
    if let Some(value) = parsed {
        return Ok(value.unbind());
    }
    let loads = py.import("json")?.getattr("loads")?;
    if let Ok(value) = loads.call1((document.body.as_slice(),)) {
        return Ok(value.unbind());
    }
    let text = String::from_utf8_lossy(&document.body);
    let json_error = py.import("selenite._exceptions")?.getattr("json_error")?;
    Err(PyErr::from_value(json_error.call1(("not valid JSON", &document.url, text))?))
}

/// Switches Python's cyclic collector off until dropped, if it was on.
struct CollectorPause<'py>(Option<Bound<'py, PyModule>>);

impl<'py> CollectorPause<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let collector = py.import("gc")?;
        if !collector.call_method0("isenabled")?.extract::<bool>()? {
            return Ok(Self(None));
        }
        collector.call_method0("disable")?;
        Ok(Self(Some(collector)))
    }
}

impl Drop for CollectorPause<'_> {
    fn drop(&mut self) {
        if let Some(collector) = &self.0 {
            // `gc.enable` takes no arguments and cannot fail.
            let _ = collector.call_method0("enable");
        }
    }
}

/// A parser that gives up, with `None`, on everything that needs care.
struct Parser<'py, 'a> {
    py: Python<'py>,
    text: &'a str,
    at: usize,
    shared: Vec<Option<(&'a str, Bound<'py, PyString>)>>,
}

impl<'py, 'a> Parser<'py, 'a> {
    fn new(py: Python<'py>, body: &'a [u8]) -> Self {
        // Text that is not UTF-8 becomes empty, which no document is.
        let text = std::str::from_utf8(body).unwrap_or_default();
        Self { py, text, at: 0, shared: vec![None; SHARED_SLOTS] }
    }

    fn parse(mut self) -> Option<Bound<'py, PyAny>> {
        let value = self.value(0, false)?;
        self.skip_blanks();
        (self.at == self.text.len()).then_some(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        // Indented documents are mostly blanks, eight of which are looked at together.
        while self.word_at(self.at) == Some(u64::from_ne_bytes([b' '; 8])) {
            self.at += 8;
        }
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
            while self.word_at(self.at) == Some(u64::from_ne_bytes([b' '; 8])) {
                self.at += 8;
            }
        }
    }

    /// The next eight bytes.
    fn word_at(&self, at: usize) -> Option<u64> {
        let bytes = self.text.as_bytes().get(at..at + 8)?;
        Some(u64::from_ne_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// Skips blanks and then takes `byte`, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn word(&mut self, word: &str, value: Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let rest = &self.text[self.at..];
        self.at += word.len();
        rest.starts_with(word).then_some(value)
    }

    fn value(&mut self, depth: usize, comes_again: bool) -> Option<Bound<'py, PyAny>> {
        self.skip_blanks();
        let py = self.py;
        match self.peek()? {
            b'{' if depth < MOST_NESTED => self.object(depth),
            b'[' if depth < MOST_NESTED => self.array(depth),
            b'"' if comes_again => self.shared_string().map(Bound::into_any),
            b'"' => {
                let piece = self.string()?;
                Some(PyString::new(py, &piece).into_any())
            }
            b't' => self.word("true", PyBool::new(py, true).to_owned().into_any()),
            b'f' => self.word("false", PyBool::new(py, false).to_owned().into_any()),
            b'n' => self.word("null", py.None().into_bound(py)),
            b'0'..=b'9' => self.integer(),
            _ => None,
        }
    }

    fn object(&mut self, depth: usize) -> Option<Bound<'py, PyAny>> {
        let object = PyDict::new(self.py);
        self.at += 1;
        if self.take(b'}') {
            return Some(object.into_any());
        }
        loop {
            self.skip_blanks();
            let begin = self.at + 1;
            let key = self.shared_string()?;
            let name = &self.text.as_bytes()[begin..self.at - 1];
            if !self.take(b':') {
                return None;
            }
            // Paths and digests are different in every entry, names are not.
            let comes_again = name != b"path" && name != b"md5sum";
            let value = self.value(depth + 1, comes_again)?;
            object.set_item(key, value).ok()?;
            if self.take(b'}') {
                return Some(object.into_any());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Bound<'py, PyAny>> {
        let array = PyList::empty(self.py);
        self.at += 1;
        if self.take(b']') {
            return Some(array.into_any());
        }
        loop {
            array.append(self.value(depth + 1, false)?).ok()?;
            if self.take(b']') {
                return Some(array.into_any());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn integer(&mut self) -> Option<Bound<'py, PyAny>> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let ends = !matches!(rest.get(count), Some(b'.' | b'e' | b'E'));
        let digits = &self.text[self.at..self.at + count];
        if !ends || (count > 1 && digits.starts_with('0')) {
            return None;
        }
        self.at += count;
        let value: u64 = digits.parse().ok()?;
        Some(value.into_pyobject(self.py).ok()?.into_any())
    }

    /// A string; short ones are made once and used again.
    fn shared_string(&mut self) -> Option<Bound<'py, PyString>> {
        let key = match self.string()? {
            std::borrow::Cow::Borrowed(key) => key,
            std::borrow::Cow::Owned(key) => return Some(PyString::new(self.py, &key)),
        };
        if key.len() > MOST_SHARED {
            return Some(PyString::new(self.py, key));
        }
        let hash = key
            .bytes()
            .fold(key.len(), |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let slot = &mut self.shared[hash % SHARED_SLOTS];
        match slot {
            Some((known, object)) if *known == key => Some(object.clone()),
            _ => {
                let object = PyString::new(self.py, key);
                *slot = Some((key, object.clone()));
                Some(object)
            }
        }
    }

    fn string(&mut self) -> Option<std::borrow::Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        let text = self.text;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            match self.peek()? {
                b'"' => {
                    let last = &text[copied..self.at];
                    self.at += 1;
                    return Some(match owned {
                        None => last.into(),
                        Some(text) => (text + last).into(),
                    });
                }
                b'\\' => {
                    let so_far = owned.get_or_insert_default();
                    so_far.push_str(&text[copied..self.at]);
                    let letter = self.escape()?;
                    owned.get_or_insert_default().push(letter);
                    copied = self.at;
                }
                0..0x20 => return None,
                _ => {
                    self.at += 1;
                    while self.word_at(self.at).is_some_and(is_plain) {
                        self.at += 8;
                    }
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = *self.text.as_bytes().get(self.at + 1)?;
        self.at += 2;
        Some(match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                self.at += 4;
                // Surrogates are no characters: Python's parser pairs them, or keeps them alone.
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        })
    }
}

/// True if none of eight bytes is a quote, a backslash or a control character.
fn is_plain(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    // The highest bit of each byte that is zero is set, and maybe of some above it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let quotes = zeros(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
    let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    quotes | backslashes | controls == 0
}
