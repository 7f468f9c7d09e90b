//! What a parser has seen and expects to see again: short strings, and objects of the same shape.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

/// Longer strings are digests and paths, which do not come again.
const MOST_SHARED: usize = 24;
const WORD_SLOTS: usize = 64;
/// Longer texts in front of values are not remembered.
const MOST_LEAD: usize = 96;
/// Fields of a shape, fields that may be next, and shapes. What exceeds them is no record.
const MOST_FIELDS: usize = 16;
const MOST_BRANCHES: usize = 8;
const MOST_SHAPES: usize = 256;
/// So many objects of a shape are made before the others share its keys.
const OFTEN: u32 = 32;

/// What is kept from one piece of a document to the next.
pub(super) struct Memory<'py> {
    pub(super) py: Python<'py>,
    /// Values of the objects that are not complete.
    pub(super) values: Vec<Bound<'py, PyAny>>,
    words: Vec<Option<Word<'py>>>,
    long_key: Option<Bound<'py, PyString>>,
    long_key_text: Vec<u8>,
    shapes: Vec<Shape<'py>>,
}

struct Word<'py> {
    text: [u8; MOST_SHARED],
    length: usize,
    object: Bound<'py, PyString>,
}

/// Keys with which objects begin, or that are all they have.
#[derive(Default)]
struct Shape<'py> {
    keys: Vec<Bound<'py, PyString>>,
    /// What came next: the text up to the next value, and the shape with one more key.
    fields: Vec<(Box<[u8]>, ShapeId)>,
    objects: u32,
    template: Option<Bound<'py, PyDict>>,
}

/// The keys that an object has so far.
#[derive(Clone, Copy)]
pub(super) struct ShapeId(usize);

impl ShapeId {
    pub(super) const EMPTY: Self = Self(0);
}

impl<'py> Memory<'py> {
    pub(super) fn new(py: Python<'py>) -> Self {
        Self {
            py,
            values: Vec::new(),
            words: (0..WORD_SLOTS).map(|_| None).collect(),
            long_key: None,
            long_key_text: Vec::new(),
            shapes: vec![Shape::default()],
        }
    }

    /// A string as a key; `None` if it is not UTF-8.
    pub(super) fn key(&mut self, text: &[u8]) -> Option<Bound<'py, PyString>> {
        if text.len() <= MOST_SHARED {
            return self.word(text);
        }
        let key = PyString::from_bytes(self.py, text).ok()?;
        self.long_key_text.clear();
        self.long_key_text.extend_from_slice(text);
        self.long_key = Some(key.clone());
        Some(key)
    }

    /// A string as a value; `None` if it is not UTF-8.
    pub(super) fn string(&mut self, text: &[u8]) -> Option<Bound<'py, PyString>> {
        if text.len() <= MOST_SHARED {
            return self.word(text);
        }
        // Links mostly lead to a file of the same path.
        if let Some(key) = &self.long_key
            && self.long_key_text == text
        {
            return Some(key.clone());
        }
        PyString::from_bytes(self.py, text).ok()
    }

    fn word(&mut self, text: &[u8]) -> Option<Bound<'py, PyString>> {
        let mut padded = [0; MOST_SHARED];
        padded[..text.len()].copy_from_slice(text);
        let slot = &mut self.words[slot_of(&padded, text.len())];
        if let Some(word) = slot
            && word.text == padded
            && word.length == text.len()
        {
            return Some(word.object.clone());
        }
        let object = PyString::from_bytes(self.py, text).ok()?;
        *slot = Some(Word { text: padded, length: text.len(), object: object.clone() });
        Some(object)
    }

    /// The shape with the field whose value comes next, if text and field were seen before, and
    /// the number of bytes up to the value.
    pub(super) fn next_field(&self, shape: ShapeId, rest: &[u8]) -> Option<(usize, ShapeId)> {
        let mut fields = self.shapes[shape.0].fields.iter();
        fields.find(|(lead, _)| rest.starts_with(lead)).map(|(lead, next)| (lead.len(), *next))
    }

    /// The shape with one more field, to be found again by the text in front of its value; `None`
    /// for objects that are no records but tables.
    pub(super) fn learn(
        &mut self,
        shape: ShapeId,
        lead: &[u8],
        key: &Bound<'py, PyString>,
    ) -> Option<ShapeId> {
        let next = ShapeId(self.shapes.len());
        let Shape { keys, fields, .. } = &mut self.shapes[shape.0];
        if lead.len() > MOST_LEAD
            || keys.len() == MOST_FIELDS
            || fields.len() == MOST_BRANCHES
            || next.0 == MOST_SHAPES
        {
            return None;
        }
        fields.push((lead.into(), next));
        let keys = keys.iter().chain([key]).cloned().collect();
        self.shapes.push(Shape { keys, ..Shape::default() });
        Some(next)
    }

    /// An object of this shape with the values from `first` on, which are taken away.
    pub(super) fn object(&mut self, shape: ShapeId, first: usize) -> PyResult<Bound<'py, PyDict>> {
        let shape = &mut self.shapes[shape.0];
        let object = match &shape.template {
            Some(template) => template.copy()?,
            None => PyDict::new(self.py),
        };
        for (key, value) in shape.keys.iter().zip(&self.values[first..]) {
            object.set_item(key, value)?;
        }
        self.values.truncate(first);
        shape.objects = shape.objects.saturating_add(1);
        if shape.objects == OFTEN && !shape.keys.is_empty() {
            shape.template = Some(template(self.py, &shape.keys)?);
        }
        Ok(object)
    }
}

fn slot_of(padded: &[u8; MOST_SHARED], length: usize) -> usize {
    let hash = padded.chunks_exact(8).fold(length as u64, |hash, chunk| {
        let chunk = u64::from_le_bytes(chunk.try_into().expect("chunks have eight bytes"));
        (hash ^ chunk).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    });
    usize::from(hash.to_le_bytes()[0]) % WORD_SLOTS
}

/// A dictionary whose copies share one table of keys, as the instances of a class do: they take
/// half the memory of others.
fn template<'py>(py: Python<'py>, keys: &[Bound<'py, PyString>]) -> PyResult<Bound<'py, PyDict>> {
    /// Python plans for this many attributes at first, and for one fewer with each instance.
    const PLANNED: usize = 30;
    let name = ("Record", PyTuple::empty(py), PyDict::new(py));
    let class = py.get_type::<PyType>().call1(name)?;
    let mut attributes = PyDict::new(py);
    for _ in 0..=PLANNED {
        attributes = class.call0()?.getattr(intern!(py, "__dict__"))?.cast_into()?;
        for key in keys {
            attributes.set_item(key, py.None())?;
        }
    }
    attributes.copy()
}
