//! ZIP archives of stored files, read from their end, which says where each file is.
//!
//! What stands before and behind each content tells of it, too, and would do for a stream. But
//! contents are other people's: one could look like its own end and the beginning of another file.
//! So nothing is looked for among contents, and the end has to account for every byte.
//!
//! Own code instead of the crate `zip`: that one takes what most archives are like, with bytes between
//! files that nobody accounts for, and brings what unpacks, encrypts and writes them.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use crc_fast::CrcAlgorithm;

/// The media type of an archive.
pub(crate) const MEDIA_TYPE: &str = "application/zip";
/// What an archive ends with.
const END_BYTES: usize = 22;
/// What the directory says of a file, before its name.
const ENTRY_BYTES: usize = 46;
/// What comes before the name and the content of a file.
const HEADER_BYTES: usize = 30;
/// What may come behind its content.
const DESCRIPTOR_BYTES: u64 = 16;
/// Flags: what is known of a file comes behind it; its name is in UTF-8.
const IS_DESCRIBED: u64 = 1 << 3;
const IS_UTF8: u64 = 1 << 11;

/// Bytes that an archive has beside the name and the content of each file, at most; the name is in it
/// twice.
pub(crate) const OVERHEAD: u64 = (HEADER_BYTES + ENTRY_BYTES) as u64 + DESCRIPTOR_BYTES;

/// A file of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, whatever that may be: nobody has looked where it leads, nor in which characters it is.
    pub(crate) name: Vec<u8>,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Where it begins.
    place: u64,
    checksum: u32,
}

fn malformed(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// A number of so many bytes; of no field that is not there.
fn number(field: &[u8], at: usize, length: usize) -> u64 {
    field[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The files of an archive, in their order.
///
/// Fails with [`ErrorKind::InvalidData`] or [`ErrorKind::UnexpectedEof`] if it is none that can be
/// read here.
pub(crate) fn members(archive: &mut (impl Read + Seek)) -> io::Result<Vec<Member>> {
    let length = archive.seek(SeekFrom::End(0))?;
    let last = length.checked_sub(END_BYTES as u64).ok_or(ErrorKind::UnexpectedEof)?;
    archive.seek(SeekFrom::Start(last))?;
    let mut end = [0; END_BYTES];
    archive.read_exact(&mut end)?;
    let (count, size, start) = (number(&end, 8, 2), number(&end, 12, 4), number(&end, 16, 4));
    let is_whole = end.starts_with(b"PK\x05\x06")
        && number(&end, 4, 4) == 0
        && number(&end, 10, 2) == count
        && number(&end, 20, 2) == 0
        && start + size == last;
    if !is_whole {
        return Err(malformed("the archive has no end"));
    }
    archive.seek(SeekFrom::Start(start))?;
    let mut directory = Vec::new();
    archive.take(size).read_to_end(&mut directory)?;
    let (mut rest, mut place, mut members) = (&directory[..], 0, Vec::new());
    while !rest.is_empty() {
        let (member, after) = member(rest, place)?;
        members.push(member);
        (rest, place) = after;
    }
    if place != start || members.len() as u64 != count {
        return Err(malformed("bytes of the archive are of no file"));
    }
    Ok(members)
}

/// The first file of a directory, which begins at that place; what follows, and where.
fn member(directory: &[u8], place: u64) -> io::Result<(Member, (&[u8], u64))> {
    let (entry, rest) =
        directory.split_at_checked(ENTRY_BYTES).ok_or(malformed("the directory is cut"))?;
    let (flags, size) = (number(entry, 8, 2), number(entry, 24, 4));
    let is_stored = entry.starts_with(b"PK\x01\x02")
        && flags & !(IS_DESCRIBED | IS_UTF8) == 0
        && number(entry, 10, 2) == 0
        && number(entry, 20, 4) == size
        && number(entry, 30, 8) == 0;
    if !is_stored || number(entry, 42, 4) != place {
        return Err(malformed("a file is not stored as it is, one behind the other"));
    }
    let length = usize::try_from(number(entry, 28, 2)).unwrap_or_default();
    let (name, rest) = rest.split_at_checked(length).ok_or(malformed("the directory is cut"))?;
    let checksum = u32::try_from(number(entry, 16, 4)).unwrap_or_default();
    let described = if flags & IS_DESCRIBED == 0 { 0 } else { DESCRIPTOR_BYTES };
    let next = place + (HEADER_BYTES + length) as u64 + size + described;
    Ok((Member { name: name.to_owned(), size, place, checksum }, (rest, next)))
}

impl Member {
    /// Where it begins.
    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// Its content, compared with its checksum.
    pub(crate) fn content(&self, archive: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
        archive.seek(SeekFrom::Start(self.place))?;
        let mut head = vec![0; HEADER_BYTES + self.name.len()];
        archive.read_exact(&mut head)?;
        let is_same = head.starts_with(b"PK\x03\x04")
            && number(&head, 26, 2) == self.name.len() as u64
            && number(&head, 28, 2) == 0
            && head.ends_with(&self.name);
        if !is_same {
            return Err(malformed("a file is not what the directory says"));
        }
        let mut content = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        archive.take(self.size).read_to_end(&mut content)?;
        if crc32(&content) != self.checksum || content.len() as u64 != self.size {
            return Err(malformed("a file is not what its checksum says"));
        }
        Ok(content)
    }
}

fn crc32(content: &[u8]) -> u32 {
    let checksum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, content);
    u32::try_from(checksum).expect("it has 32 bits")
}

#[cfg(test)]
pub(crate) mod testing {
    use super::crc32;

    /// An archive of these files, as Girder streams it.
    pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut archive, mut directory) = (Vec::new(), Vec::new());
        let field = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        for (name, content) in files {
            let sizes = [crc32(content).to_le_bytes(), field(content.len()), field(content.len())];
            let name_length = &field(name.len())[..2];
            directory.extend(b"PK\x01\x02\x14\x03\x14\0\x08\0\0\0\0\0\x21\0");
            directory.extend(sizes.as_flattened());
            directory.extend(name_length);
            directory.extend([0; 8]);
            directory.extend([0, 0, 0xa4, 0x81]);
            directory.extend(field(archive.len()));
            directory.extend(name.as_bytes());
            archive.extend(b"PK\x03\x04\x14\0\x08\0\0\0\0\0\x21\0");
            archive.extend([0; 12]);
            archive.extend(name_length);
            archive.extend([0; 2]);
            archive.extend(name.as_bytes());
            archive.extend(*content);
            archive.extend(b"PK\x07\x08");
            archive.extend(sizes.as_flattened());
        }
        let (start, count) = (archive.len(), &field(files.len())[..2]);
        archive.extend(&directory);
        archive.extend(b"PK\x05\x06\0\0\0\0");
        archive.extend([count, count, &field(directory.len()), &field(start), &[0; 2]].concat());
        archive
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::testing::archive;
    use super::*;

    fn read(archive: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut archive = Cursor::new(archive);
        let found = members(&mut archive)?;
        let of = |member: Member| {
            let content = member.content(&mut archive)?;
            Ok((String::from_utf8(member.name).unwrap(), content))
        };
        found.into_iter().map(of).collect()
    }

    #[test]
    fn checksums_are_those_of_everybody() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn files_are_read_as_they_are() {
        // The content looks like the end of itself, and another file.
        let forged = &archive(&[("a", b"x"), ("b", b"forged")])[31..];
        let files: [(&str, &[u8]); 4] =
            [("a", forged), ("é/../", b""), ("b", b"really"), ("b", &[7; 9_000])];
        let found = read(&archive(&files)).unwrap();
        let found: Vec<_> = found.iter().map(|(name, of)| (name.as_str(), &of[..])).collect();
        assert_eq!(found, files);
        assert_eq!(read(&archive(&[])).unwrap(), []);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let whole = archive(&[("a", b"text"), ("b", b"more")]);
        assert!(read(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "cut after {length}");
        }
        assert!(read(&[&whole[..], b"x"].concat()).is_err());
        assert!(read(&[b"x", &whole[..]].concat()).is_err());
        // What the directory and the contents say is compared; versions, times, rights, and what is said
        // twice of sizes, are not looked at.
        let (head, entry, end) = (31, whole.len() - 22 - 2 * 47, whole.len() - 22);
        let looked_at = (0..4).chain(26..35).chain(51..55).chain(77..86);
        let in_entry = [0..4, 8..12, 16..38, 42..46];
        let in_entries = [entry, entry + 47]
            .into_iter()
            .flat_map(|at| in_entry.clone().map(move |one| (at, one)));
        let in_entries = in_entries.flat_map(|(at, range)| range.map(move |field| at + field));
        assert_eq!(&whole[head..head + 4], b"text");
        for at in looked_at.chain(in_entries).chain(end..whole.len()) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x80;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
    }
}
