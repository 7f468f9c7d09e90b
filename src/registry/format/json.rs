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
///
/// The message of a failure is worded as the services' callers know it: see [`syntax_fault`].
/// `kind` names the expected type in it.
pub fn parse<T: DeserializeOwned + Default>(text: &[u8], kind: &str) -> Result<T, String> {
    read::<Option<T>>(text).map(Option::unwrap_or_default).map_err(|error| {
        syntax_fault(text).unwrap_or_else(|| match first_kind(text) {
            Some("object") | None => format!("json: {error}"),
            Some(found) => format!("json: cannot unmarshal {found} into Go value of type {kind}"),
        })
    })
}

/// What a JSON document begins with, in the words of a type mismatch.
fn first_kind(text: &[u8]) -> Option<&'static str> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace())?;
    Some(match first {
        b'{' => "object",
        b'[' => "array",
        b'"' => "string",
        b't' | b'f' => "bool",
        b'n' => "null",
        _ => "number",
    })
}

/// The first syntax error of a JSON document, or `None` if there is none.
pub fn syntax_fault(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.document().err().map(|fault| match fault {
        Fault::End => "unexpected end of JSON input".to_owned(),
        Fault::Byte(byte, place) => format!("invalid character {} {place}", quote_byte(byte)),
    })
}

fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        b' '..=b'~' => format!("'{}'", char::from(byte)),
        0x00..=0x7f => format!("'\\x{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

enum Fault {
    End,
    Byte(u8, &'static str),
}

/// A recogniser of JSON that knows what it was looking for.
struct Scanner<'text> {
    text: &'text [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Result<u8, Fault> {
        self.text.get(self.at).copied().ok_or(Fault::End)
    }

    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn document(&mut self) -> Result<(), Fault> {
        self.value()?;
        self.blanks();
        match self.peek() {
            Err(_) => Ok(()),
            Ok(byte) => Err(Fault::Byte(byte, "after top-level value")),
        }
    }

    /// Recognises one value; open containers are kept on a stack of closing brackets.
    fn value(&mut self) -> Result<(), Fault> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.blanks();
            match self.peek()? {
                b'{' => {
                    self.at += 1;
                    self.blanks();
                    if self.peek()? == b'}' {
                        self.at += 1;
                    } else {
                        open.push(b'}');
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.blanks();
                    if self.peek()? == b']' {
                        self.at += 1;
                    } else {
                        open.push(b']');
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                b'-' | b'0'..=b'9' => self.number()?,
                byte => return Err(Fault::Byte(byte, "looking for beginning of value")),
            }
            loop {
                let Some(close) = open.last().copied() else { return Ok(()) };
                self.blanks();
                match self.peek()? {
                    b',' if close == b'}' => {
                        self.at += 1;
                        self.blanks();
                        self.key()?;
                        break;
                    }
                    b',' => {
                        self.at += 1;
                        break;
                    }
                    byte if byte == close => {
                        self.at += 1;
                        open.pop();
                    }
                    byte if close == b'}' => {
                        return Err(Fault::Byte(byte, "after object key:value pair"));
                    }
                    byte => return Err(Fault::Byte(byte, "after array element")),
                }
            }
        }
    }

    fn key(&mut self) -> Result<(), Fault> {
        match self.peek()? {
            b'"' => self.string()?,
            byte => return Err(Fault::Byte(byte, "looking for beginning of object key string")),
        }
        self.blanks();
        match self.peek()? {
            b':' => {
                self.at += 1;
                Ok(())
            }
            byte => Err(Fault::Byte(byte, "after object key")),
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    match escape {
                        b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                        b'u' => {
                            for _ in 0..4 {
                                let digit = self.peek()?;
                                if !digit.is_ascii_hexdigit() {
                                    let place = "in \\u hexadecimal character escape";
                                    return Err(Fault::Byte(digit, place));
                                }
                                self.at += 1;
                            }
                        }
                        other => return Err(Fault::Byte(other, "in string escape code")),
                    }
                }
                0x00..=0x1f => return Err(Fault::Byte(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        const PLACES: [(&[u8], [&str; 4]); 3] = [
            (
                b"true",
                [
                    "in literal true (expecting 'r')",
                    "in literal true (expecting 'u')",
                    "in literal true (expecting 'e')",
                    "",
                ],
            ),
            (
                b"false",
                [
                    "in literal false (expecting 'a')",
                    "in literal false (expecting 'l')",
                    "in literal false (expecting 's')",
                    "in literal false (expecting 'e')",
                ],
            ),
            (
                b"null",
                [
                    "in literal null (expecting 'u')",
                    "in literal null (expecting 'l')",
                    "in literal null (expecting 'l')",
                    "",
                ],
            ),
        ];
        self.at += 1;
        for (index, expected) in word.iter().skip(1).enumerate() {
            let byte = self.peek()?;
            if byte != *expected {
                let place = PLACES
                    .iter()
                    .find(|(known, _)| *known == word)
                    .map_or("in literal", |(_, places)| places[index]);
                return Err(Fault::Byte(byte, place));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            byte => return Err(Fault::Byte(byte, "in numeric literal")),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            match self.peek()? {
                b'0'..=b'9' => self.digits(),
                byte => {
                    return Err(Fault::Byte(byte, "after decimal point in numeric literal"));
                }
            }
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            match self.peek()? {
                b'0'..=b'9' => self.digits(),
                byte => return Err(Fault::Byte(byte, "in exponent of numeric literal")),
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
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
        assert_eq!(parse::<Pair>(text, "Pair").unwrap(), expected);
        assert!(parse::<Pair>(br#"{"a": 1, "a": 2}"#, "Pair").is_err());
        assert!(read::<Pair>(br#"{"a": [1], "a": [1]"#).is_err());
    }

    #[test]
    fn syntax_faults_name_the_character_and_the_place() {
        for (text, fault) in [
            ("", "unexpected end of JSON input"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("{ oops", "invalid character 'o' looking for beginning of object key string"),
            ("oops", "invalid character 'o' looking for beginning of value"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 x", "invalid character 'x' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("nil", "invalid character 'i' in literal null (expecting 'u')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("'", "invalid character '\\'' looking for beginning of value"),
        ] {
            assert_eq!(syntax_fault(text.as_bytes()).as_deref(), Some(fault), "{text}");
        }
        assert_eq!(syntax_fault(b" {\"a\": [1, -2.5e+3, {}], \"b\": [[], null]} \n"), None);
    }

    proptest::proptest! {
        #[test]
        fn the_recogniser_agrees_with_the_parser(text in r#"[\[\]{}",:0-9a-u\\ .eE+-]{0,12}"#) {
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            // The parser also refuses what is well-formed but cannot be represented.
            if let Err(error) = &parsed
                && (error.to_string().contains("out of range")
                    || error.to_string().contains("surrogate")
                    || error.to_string().contains("hex escape"))
            {
                return Ok(());
            }
            assert_eq!(syntax_fault(text.as_bytes()).is_none(), parsed.is_ok(), "{text}");
        }
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
