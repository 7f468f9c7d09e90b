//! Tar archives of regular files (POSIX.1-2001, pax), written and read piece by piece.
//!
//! Own code instead of the crate `tar`: that one reads and writes through blocking streams, so that
//! each download and each answer would hold a thread for as long as the network takes, and nearly all
//! of it is unpacking, with modes, owners, links and devices, which is what nobody here is to do. These
//! are a fifth of its lines for headers.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Archives are made of blocks.
const BLOCK: usize = 512;
/// Ends an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
/// The header in which a server says that there are archives of the folders that it lists.
pub(crate) const ANNOUNCEMENT: &str = "selenite-archive";
/// The media type of an archive.
pub(crate) const MEDIA_TYPE: &str = "application/x-tar";
/// Larger files are sent to a server by themselves: they are worth a request, and archives take little
/// memory.
pub(crate) const MOST_SENT: u64 = 256 * 1024;
/// Where the numbers of the older format end.
const LARGE: u64 = 1 << 33;
/// Longer extended headers are none of ours.
const MOST_EXTENDED: u64 = 1 << 16;
/// Places of the fields in a header: name, mode, owner, group, size, time, checksum, and so on.
const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const PREFIX: std::ops::Range<usize> = 345..500;

/// What comes before the content of a file. `modified` is in seconds since 1970.
pub(crate) fn head(name: &str, size: u64, modified: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(BLOCK);
    let mut extended = String::new();
    if name.len() > NAME.len() || !name.is_ascii() {
        extended.push_str(&record("path", name));
    }
    if size >= LARGE {
        extended.push_str(&record("size", &size.to_string()));
    }
    if !extended.is_empty() {
        head.extend(header(b"PaxHeader", extended.len() as u64, modified, b'x'));
        head.extend(extended.as_bytes());
        head.resize(head.len() + padding(extended.len() as u64), 0);
    }
    let short = &name.as_bytes()[..name.len().min(NAME.len())];
    head.extend(header(short, size % LARGE, modified, b'0'));
    head
}

/// Zeros that come after content of that size.
pub(crate) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

/// A record of an extended header: it begins with its own length.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn header(name: &[u8], size: u64, modified: u64, kind: u8) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(NAME.start, name);
    put(100, b"0000644\0" as &[u8]);
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(SIZE.start, format!("{size:011o}").as_bytes());
    put(136, format!("{:011o}", modified % LARGE).as_bytes());
    put(CHECKSUM.start, b"        ");
    put(KIND, &[kind]);
    put(257, b"ustar\0");
    put(263, b"00");
    let sum = checksum(&header);
    header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// The sum of all bytes, with blanks in the place of the sum itself.
fn checksum(header: &[u8]) -> u64 {
    let byte = |(at, byte): (usize, &u8)| {
        if CHECKSUM.contains(&at) { u64::from(b' ') } else { u64::from(*byte) }
    };
    header.iter().enumerate().map(byte).sum()
}

/// A regular file of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, whatever that may be: nobody has looked where it leads.
    pub(crate) name: String,
    /// All of its content.
    pub(crate) content: Bytes,
}

/// Why something is no archive that can be read here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the archive cannot be read: {0}")]
pub(crate) struct Malformed(Cow<'static, str>);

fn malformed(why: &'static str) -> Malformed {
    Malformed(why.into())
}

/// Reads an archive of small files piece by piece.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What was not read yet.
    rest: BytesMut,
    /// A larger file is a fault.
    most: u64,
    /// What an extended header says of the next file.
    name: Option<String>,
    size: Option<u64>,
    has_ended: bool,
}

impl Reader {
    /// Reads files of no more than `most` bytes.
    pub(crate) fn new(most: u64) -> Self {
        Self { rest: BytesMut::new(), most, name: None, size: None, has_ended: false }
    }

    /// Adds what comes next of the archive.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        if !self.has_ended {
            self.rest.extend_from_slice(piece);
        }
    }

    /// True once all files of the archive have come.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next regular file, if all of it has come.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, Malformed> {
        while !self.has_ended && self.rest.len() >= BLOCK {
            let header = &self.rest[..BLOCK];
            if header.iter().all(|byte| *byte == 0) {
                self.has_ended = true;
                break;
            }
            if octal(&header[CHECKSUM])? != checksum(header) {
                return Err(malformed("the checksum of a header is wrong"));
            }
            let kind = header[KIND];
            let is_extended = matches!(kind, b'x' | b'g');
            let stated = octal(&header[SIZE])?;
            let size = if is_extended { stated } else { self.size.unwrap_or(stated) };
            if is_extended && size > MOST_EXTENDED {
                return Err(malformed("an extended header is too large"));
            }
            if !is_extended && size > self.most {
                let name = self.name.take().map_or_else(|| name_of(header), Ok)?;
                let most = self.most;
                return Err(Malformed(format!("'{name}' has more than {most} bytes").into()));
            }
            let length = usize::try_from(size).map_err(|_| malformed("a file is too large"))?;
            if self.rest.len() < BLOCK + length + padding(size) {
                break;
            }
            let header = self.rest.split_to(BLOCK);
            let content = self.rest.split_to(length).freeze();
            drop(self.rest.split_to(padding(size)));
            if kind == b'x' {
                self.extend(&content)?;
                continue;
            }
            let (name, _) = (self.name.take(), self.size.take());
            // Folders and links say nothing of content; what holds for all files is not ours.
            if matches!(kind, b'0' | 0) {
                let name = name.map_or_else(|| name_of(&header), Ok)?;
                return Ok(Some(Member { name, content }));
            }
        }
        Ok(None)
    }

    fn extend(&mut self, mut records: &[u8]) -> Result<(), Malformed> {
        let fault = || malformed("an extended header makes no sense");
        while !records.is_empty() {
            let blank = records.iter().position(|byte| *byte == b' ').ok_or_else(fault)?;
            let length =
                std::str::from_utf8(&records[..blank]).ok().and_then(|text| text.parse().ok());
            let length = length.filter(|length| *length > blank + 1).ok_or_else(fault)?;
            let record = records.get(blank + 1..length).ok_or_else(fault)?;
            let record = std::str::from_utf8(record).map_err(|_| fault())?;
            let (key, value) = record.trim_end_matches('\n').split_once('=').ok_or_else(fault)?;
            match key {
                "path" => self.name = Some(value.to_owned()),
                "size" => self.size = Some(value.parse().map_err(|_| fault())?),
                _ => {}
            }
            records = &records[length..];
        }
        Ok(())
    }
}

/// A number in octal digits, which end with a zero, a blank or the field.
fn octal(field: &[u8]) -> Result<u64, Malformed> {
    let digits = field.iter().copied().skip_while(|byte| *byte == b' ');
    let mut digits = digits.take_while(|byte| !matches!(byte, 0 | b' '));
    digits.try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' if number < 1 << 60 => Ok(number * 8 + u64::from(digit - b'0')),
        _ => Err(malformed("a number in a header makes no sense")),
    })
}

fn name_of(header: &[u8]) -> Result<String, Malformed> {
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        let text = std::str::from_utf8(&field[..end]).map(str::to_owned);
        text.map_err(|_| malformed("a name is no text"))
    };
    let (prefix, name) = (text(&header[PREFIX])?, text(&header[NAME])?);
    Ok(if prefix.is_empty() { name } else { format!("{prefix}/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, content) in files {
            let size = content.len() as u64;
            archive.extend(head(name, size, 1_000_000_000));
            archive.extend(*content);
            archive.resize(archive.len() + padding(size), 0);
        }
        archive.extend(END);
        archive
    }

    fn read(archive: &[u8], piece: usize) -> Result<(Vec<Member>, bool), Malformed> {
        let mut reader = Reader::new(4096);
        let mut members = Vec::new();
        for piece in archive.chunks(piece) {
            reader.push(piece);
            while let Some(member) = reader.next()? {
                members.push(member);
            }
        }
        Ok((members, reader.has_ended()))
    }

    #[test]
    fn what_is_written_is_read_however_it_comes() {
        let long = "x/".repeat(300) + "é";
        let files: [(&str, &[u8]); 6] = [
            ("a", b"text"),
            ("d/empty", b""),
            (&long, &[7; 512]),
            ("ü\n= 5", &[8; 4096]),
            (&"y".repeat(100), b"1"),
            (&"z".repeat(101), &[9; 513]),
        ];
        let whole = archive(&files);
        for piece in [1, 7, 512, 100_000] {
            let (members, has_ended) = read(&whole, piece).unwrap();
            let found: Vec<_> =
                members.iter().map(|one| (one.name.as_str(), &*one.content)).collect();
            assert_eq!(found, files);
            assert!(has_ended);
        }
        let (members, has_ended) = read(&whole[..whole.len() - 1024 - 1024], 512).unwrap();
        assert_eq!((members.len(), has_ended), (5, false), "the end is missing");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let whole = archive(&[("a", b"text"), ("é", b"x")]);
        let with = |at: usize, text: &[u8]| {
            let mut damaged = whole.clone();
            damaged[at..at + text.len()].copy_from_slice(text);
            // As if the damage had been there when it was written.
            let sum = checksum(&damaged[..BLOCK]);
            damaged[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            read(&damaged, 512).map(|(members, _)| members.len())
        };
        assert_eq!(with(0, b"b"), Ok(2));
        assert!(with(SIZE.start, b"0000001xx").is_err());
        assert!(with(SIZE.start, b"77777777777").is_err(), "larger than was asked for");
        assert!(with(0, b"\xff").is_err());
        let mut damaged = whole.clone();
        damaged[0] = b'b';
        assert!(read(&damaged, 512).is_err(), "the checksum");
        for record in ["9 path=a\n", "path=a\n", "6 path\n", "12 size=abc\n", "0 a=b\n"] {
            let mut archive = header(b"x", record.len() as u64, 0, b'x').to_vec();
            archive.extend(record.as_bytes());
            archive.resize(2 * BLOCK, 0);
            archive.extend(END);
            let is_sound = record.starts_with("9 path");
            assert_eq!(read(&archive, 512).is_ok(), is_sound, "{record}");
        }
    }

    #[test]
    fn large_files_have_their_size_in_an_extended_header() {
        let head = head("f", LARGE + 5, 0);
        assert_eq!(head.len(), 3 * BLOCK);
        assert!(head[BLOCK..].starts_with(b"19 size=8589934597\n"));
        assert_eq!(octal(&head[2 * BLOCK..][SIZE]), Ok(5));
    }
}
