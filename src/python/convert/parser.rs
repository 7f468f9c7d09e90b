//! The parser: one pass over text that may end too early.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList};

use super::memory::{Memory, ShapeId};

/// Deeper documents are left to Python's parser, which knows its own limit.
const MOST_NESTED: usize = 64;
/// More digits may be too many for 64 bits.
const MOST_DIGITS: usize = 18;
/// Objects with so many entries are expected to get far more.
const MANY_ENTRIES: usize = 1000;

/// A parser that gives up, with `None`, on everything that needs care, and where the text ends.
pub(super) struct Parser<'py, 'a> {
    text: &'a [u8],
    at: usize,
    memory: &'a mut Memory<'py>,
}

impl<'py, 'a> Parser<'py, 'a> {
    pub(super) fn new(text: &'a [u8], memory: &'a mut Memory<'py>) -> Self {
        Self { text, at: 0, memory }
    }

    /// All of the text as one document.
    pub(super) fn document(mut self) -> Option<Bound<'py, PyAny>> {
        self.skip_blanks();
        let value = self.value(0)?;
        self.is_at_end().then_some(value)
    }

    /// Where the first entry begins if the document is an object.
    pub(super) fn opening(mut self) -> Option<usize> {
        self.take(b'{').then_some(self.at)
    }

    /// Adds entries to an object that was opened before; true if it ends in this text. If not, the
    /// position is behind the last entry that is whole.
    pub(super) fn entries(&mut self, object: &Bound<'py, PyDict>, depth: usize) -> bool {
        let pending = self.memory.values.len();
        loop {
            let begin = self.at;
            match self.entry(object, depth) {
                Some(true) => {}
                Some(false) => return true,
                None => {
                    self.at = begin;
                    self.memory.values.truncate(pending);
                    return false;
                }
            }
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// True if nothing follows but blanks.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.at == self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The next eight bytes, the first of them lowest.
    fn word_at(&self, at: usize) -> Option<u64> {
        let bytes = self.text.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
            // Indented documents are mostly blanks.
            while self.word_at(self.at) == Some(u64::from_le_bytes([b' '; 8])) {
                self.at += 8;
            }
        }
    }

    /// Skips blanks and then takes `byte`, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Option<Bound<'py, PyAny>> {
        let py = self.memory.py;
        match self.peek()? {
            b'"' => {
                let text = self.string()?;
                self.memory.string(&text).map(Bound::into_any)
            }
            b'0'..=b'9' => self.integer(),
            b'{' if depth < MOST_NESTED => self.object(depth),
            b'[' if depth < MOST_NESTED => self.array(depth),
            b't' => self.word("true", PyBool::new(py, true).to_owned().into_any()),
            b'f' => self.word("false", PyBool::new(py, false).to_owned().into_any()),
            b'n' => self.word("null", py.None().into_bound(py)),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let rest = &self.text[self.at..];
        self.at += word.len();
        rest.starts_with(word.as_bytes()).then_some(value)
    }

    fn object(&mut self, depth: usize) -> Option<Bound<'py, PyAny>> {
        self.at += 1;
        let first = self.memory.values.len();
        let mut shape = ShapeId::EMPTY;
        loop {
            let begin = self.at;
            if let Some((lead, next)) = self.memory.next_field(shape, &self.text[begin..]) {
                self.at += lead;
                let value = self.value(depth + 1)?;
                self.memory.values.push(value);
                shape = next;
                continue;
            }
            let Some(key) = self.key(self.memory.values.len() == first)? else {
                return Some(self.memory.object(shape, first).ok()?.into_any());
            };
            let lead = &self.text[begin..self.at];
            let value = self.value(depth + 1)?;
            if let Some(next) = self.memory.learn(shape, lead, &key) {
                self.memory.values.push(value);
                shape = next;
                continue;
            }
            let object = self.memory.object(shape, first).ok()?;
            object.set_item(key, value).ok()?;
            return self.entries(&object, depth).then(|| object.into_any());
        }
    }

    /// Adds one entry to an object, if it does not end here.
    fn entry(&mut self, object: &Bound<'py, PyDict>, depth: usize) -> Option<bool> {
        let length = object.len();
        if length == MANY_ENTRIES {
            keep_hashes(object).ok()?;
        }
        let Some(key) = self.key(length == 0)? else { return Some(false) };
        let value = self.value(depth + 1)?;
        object.set_item(key, value).ok()?;
        Some(true)
    }

    /// The next key and what stands around it, or nothing at the end of the object.
    #[expect(clippy::option_option, reason = "giving up is not an end")]
    fn key(&mut self, is_first: bool) -> Option<Option<Bound<'py, pyo3::types::PyString>>> {
        if self.take(b'}') {
            return Some(None);
        }
        if !is_first && !self.take(b',') {
            return None;
        }
        self.skip_blanks();
        let text = self.string()?;
        let key = self.memory.key(&text)?;
        if !self.take(b':') {
            return None;
        }
        self.skip_blanks();
        Some(Some(key))
    }

    fn array(&mut self, depth: usize) -> Option<Bound<'py, PyAny>> {
        let array = PyList::empty(self.memory.py);
        self.at += 1;
        if self.take(b']') {
            return Some(array.into_any());
        }
        loop {
            self.skip_blanks();
            array.append(self.value(depth + 1)?).ok()?;
            if self.take(b']') {
                return Some(array.into_any());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn integer(&mut self) -> Option<Bound<'py, PyAny>> {
        let begin = self.at;
        let mut value: u64 = 0;
        while let digit @ b'0'..=b'9' = self.peek()? {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - begin;
        let is_padded = digits > 1 && self.text[begin] == b'0';
        if digits > MOST_DIGITS || is_padded || matches!(self.peek()?, b'.' | b'e' | b'E') {
            return None;
        }
        Some(value.into_pyobject(self.memory.py).ok()?.into_any())
    }

    fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        if self.peek() != Some(b'"') {
            return None;
        }
        self.at += 1;
        let text = self.text;
        let mut copied = self.at;
        let mut owned: Option<Vec<u8>> = None;
        loop {
            self.skip_plain();
            match self.peek()? {
                b'"' => {
                    let last = &text[copied..self.at];
                    self.at += 1;
                    return Some(match owned {
                        None => last.into(),
                        Some(text) => [&text, last].concat().into(),
                    });
                }
                b'\\' => {
                    let so_far = owned.get_or_insert_default();
                    so_far.extend_from_slice(&text[copied..self.at]);
                    let letter = self.escape()?;
                    so_far.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    copied = self.at;
                }
                _ => return None,
            }
        }
    }

    /// Goes on to the next quote, backslash or control character.
    fn skip_plain(&mut self) {
        while let Some(word) = self.word_at(self.at) {
            let marks = marks(word);
            if marks != 0 {
                self.at += marks.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        while let Some(0x20..=0x21 | 0x23..=0x5B | 0x5D..) = self.peek() {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = *self.text.get(self.at + 1)?;
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
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 4;
                let digits = str::from_utf8(digits).ok()?;
                // Surrogates are no characters: Python's parser pairs them, or keeps them alone.
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        })
    }
}

/// Makes a dictionary keep hashes beside its keys, as Python does once one was no string: additions
/// to a large one then need not look into other keys, which are far away in memory.
fn keep_hashes(object: &Bound<'_, PyDict>) -> PyResult<()> {
    let none = object.py().None();
    object.set_item(&none, &none)?;
    object.del_item(none)
}

/// The highest bit of each byte that is a quote, a backslash or a control character, up to the
/// first such byte; those above it mean nothing.
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslashes = below(word ^ (ONES * u64::from(b'\\')), 1);
    (quotes | backslashes | below(word, 0x20)) & (ONES * 0x80)
}
