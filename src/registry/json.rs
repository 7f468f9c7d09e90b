//! JSON as registries and services write it: `<`, `>`, `&`, U+2028 and U+2029 escaped, so that a
//! file can be put into a page as it is.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Four blanks, no final newline: the form of the internal files.
pub fn pretty(value: &impl Serialize) -> Vec<u8> {
    write(value, PrettyFormatter::with_indent(b"    "))
}

/// No blanks at all: the form of answers.
pub fn compact(value: &impl Serialize) -> Vec<u8> {
    write(value, CompactFormatter)
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> Vec<u8> {
    let mut text = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut text, Escaping(formatter)))
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

#[cfg(test)]
mod tests {
    use super::*;

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
