//! JSON as registries and services write it: `<`, `>`, `&`, U+2028 and U+2029 escaped, so that a
//! file can be put into a page as it is.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Four blanks, no final newline: the form of the internal files.
pub fn pretty(value: &impl Serialize) -> Vec<u8> {
    write(value, PrettyFormatter::with_indent(b"    "))
}

/// No blanks at all: the form of answers.
pub fn compact(value: &impl Serialize) -> Vec<u8> {
    write(value, CompactFormatter)
}

/// No blanks, and nothing escaped that need not be: the form of objects and of the gypsum service.
pub fn plain(value: &impl Serialize) -> Vec<u8> {
    write_with(value, CompactFormatter)
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> Vec<u8> {
    write_with(value, Escaping(formatter))
}

fn write_with(value: &impl Serialize, formatter: impl Formatter) -> Vec<u8> {
    let mut text = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut text, formatter))
        .expect("values of this crate have string keys and are written to memory");
    text
}

struct Escaping<F>(F);

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Escaping<F> {
    forward! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut letters = rest[at..].chars();
            let letter = letters.next().expect("a letter was found here");
            write!(writer, "\\u{:04x}", u32::from(letter))?;
            rest = letters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Parses a document; of a key that an object has twice the last one counts, as for everybody else.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|error| {
        // Only a type with fields refuses such a document, so it is seldom parsed twice.
        let value: Option<serde_json::Value> = serde_json::from_slice(text).ok();
        value.and_then(|value| T::deserialize(value).ok()).ok_or(error)
    })
}

/// Parses a document; `null` counts as the default.
pub fn parse<T: DeserializeOwned + Default>(text: &[u8]) -> serde_json::Result<T> {
    read::<Option<T>>(text).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_counts() {
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        struct Pair {
            a: Vec<u8>,
            #[serde(default)]
            b: Option<Box<Pair>>,
        }
        let text = br#"{"a": [1], "b": {"a": [2], "a": [3]}, "a": [4]}"#;
        let inner = Pair { a: vec![3], b: None };
        let expected = Pair { a: vec![4], b: Some(Box::new(inner)) };
        assert_eq!(parse::<Pair>(text).unwrap(), expected);
        assert!(parse::<Pair>(br#"{"a": 1, "a": 2}"#).is_err());
        assert!(read::<Pair>(br#"{"a": [1], "a": [1]"#).is_err());
    }

    #[test]
    fn both_forms_are_exact() {
        let value = serde_json::json!({"a<b>&\u{2028}é": {"x": [], "y": {}, "z": [1, "\n"]}});
        assert_eq!(
            String::from_utf8(pretty(&value)).unwrap(),
            "{\n    \"a\\u003cb\\u003e\\u0026\\u2028é\": {\n        \"x\": [],\n        \"y\": {},\n        \
             \"z\": [\n            1,\n            \"\\n\"\n        ]\n    }\n}"
        );
        assert_eq!(
            compact(&value),
            "{\"a\\u003cb\\u003e\\u0026\\u2028é\":{\"x\":[],\"y\":{},\"z\":[1,\"\\n\"]}}"
                .as_bytes()
        );
    }
}
