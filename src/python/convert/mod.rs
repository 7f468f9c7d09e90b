//! JSON text as Python objects, equal to what `json.loads` makes of it.
//!
//! Documents as registries write them are converted in one pass. Whatever is unusual (numbers that
//! are not small integers, lone surrogates, deep nesting, faults of all kinds) goes to Python's own
//! parser, whose result or exception then is the answer.
//!
//! Why not a crate or Python alone: a manifest of 200,000 entries takes 124 ms here, 329 ms with
//! `orjson` and 403 ms with `json.load`, and keeps 86 MiB instead of `orjson`'s 137 (rows J of
//! `benches/README.md`); `pythonize` would need a tree of the whole document first.

mod memory;
mod parser;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use self::memory::Memory;
use self::parser::Parser;
use super::collector::Collector;
use crate::error::IoContext;
use crate::fs::once_more_if_stale;
use crate::http::Document;

/// Python's collector is paused while larger documents are built: none of it is garbage.
const LARGE_BYTES: usize = 64 * 1024;
/// Files are read in pieces that stay in the processor's cache until they are parsed.
const PIECE_BYTES: u64 = 512 * 1024;

/// The object that a document describes.
pub(super) fn document(py: Python<'_>, document: &Document) -> PyResult<Py<PyAny>> {
    match whole(&document.body, &mut Memory::new(py))? {
        Some(value) => Ok(value.unbind()),
        None => by_python(py, document),
    }
}

/// The object that the document in a file describes.
pub(super) fn file(py: Python<'_>, path: &Path) -> PyResult<Py<PyAny>> {
    let mut pieces = py.detach(|| once_more_if_stale(|| Pieces::open(path))).at(path)?;
    let mut memory = Memory::new(py);
    let begin = Parser::new(&pieces.text, &mut memory).opening();
    let value = match begin {
        Some(begin) if !pieces.is_last => entries(&mut pieces, begin, path, &mut memory)?,
        _ => {
            py.detach(|| pieces.advance(0, u64::MAX)).at(path)?;
            whole(&pieces.text, &mut memory)?
        }
    };
    if let Some(value) = value {
        return Ok(value.unbind());
    }
    let body = py.detach(|| std::fs::read(path)).at(path)?;
    by_python(py, &Document::of_file(path, body))
}

fn whole<'py>(text: &[u8], memory: &mut Memory<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if text.len() < LARGE_BYTES {
        return Ok(Parser::new(text, memory).document());
    }
    let collector = Collector::new(memory.py)?;
    let _pause = collector.pause()?;
    Ok(Parser::new(text, memory).document())
}

/// The outermost object of a file, which begins with its entries at `begin`.
fn entries<'py>(
    pieces: &mut Pieces,
    begin: usize,
    path: &Path,
    memory: &mut Memory<'py>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = memory.py;
    let collector = Collector::new(py)?;
    let object = PyDict::new(py);
    let mut used = begin;
    loop {
        // An entry that does not fit into a piece is read together with all that follow.
        let more = if used == 0 { u64::MAX } else { PIECE_BYTES };
        py.detach(|| pieces.advance(used, more)).at(path)?;
        py.check_signals()?;
        // The collector is paused for no longer than others have to wait for the GIL.
        let _pause = collector.pause()?;
        let mut parser = Parser::new(&pieces.text, memory);
        let is_complete = parser.entries(&object, 0);
        used = parser.position();
        if is_complete {
            py.detach(|| pieces.advance(used, u64::MAX)).at(path)?;
            let is_all = Parser::new(&pieces.text, memory).is_at_end();
            return Ok(is_all.then(|| object.into_any()));
        }
        if pieces.is_last {
            return Ok(None);
        }
    }
}

/// What was read of a file and is not yet parsed.
struct Pieces {
    file: File,
    text: Vec<u8>,
    is_last: bool,
}

impl Pieces {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut pieces = Self { file: File::open(path)?, text: Vec::new(), is_last: false };
        pieces.advance(0, PIECE_BYTES)?;
        Ok(pieces)
    }

    /// Forgets `used` bytes, and puts up to `more` of the file behind the others.
    fn advance(&mut self, used: usize, more: u64) -> std::io::Result<()> {
        self.text.drain(..used);
        let read = (&mut self.file).take(more).read_to_end(&mut self.text)?;
        self.is_last = (read as u64) < more;
        Ok(())
    }
}

fn by_python(py: Python<'_>, document: &Document) -> PyResult<Py<PyAny>> {
    let loads = py.import("json")?.getattr("loads")?;
    if let Ok(value) = loads.call1((document.body.as_slice(),)) {
        return Ok(value.unbind());
    }
    let text = document.text();
    let json_error = py.import("selenite._exceptions")?.getattr("json_error")?;
    Err(PyErr::from_value(json_error.call1(("not valid JSON", &document.url, text))?))
}
