//! Digests of a kind that is chosen while the program runs, of content that comes in pieces.

use sha2::{Digest as _, Sha256, Sha512};

use super::{Hasher, hex};

/// Which digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// MD5: 16 bytes.
    Md5,
    /// SHA-256: 32 bytes.
    Sha256,
    /// SHA-512: 64 bytes.
    Sha512,
}

impl Kind {
    /// What messages call it.
    pub(crate) fn checksum(self) -> &'static str {
        match self {
            Self::Md5 => "MD5 checksum",
            Self::Sha256 => "SHA-256 checksum",
            Self::Sha512 => "SHA-512 checksum",
        }
    }
}

/// Digests content that comes in pieces.
#[derive(Debug, Clone)]
pub(crate) enum Running {
    /// To MD5.
    Md5(Hasher),
    /// To SHA-256.
    Sha256(Sha256),
    /// To SHA-512.
    Sha512(Sha512),
}

impl Running {
    /// Nothing has come yet.
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Md5 => Self::Md5(Hasher::default()),
            Kind::Sha256 => Self::Sha256(Sha256::new()),
            Kind::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Adds the next piece.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(piece),
            Self::Sha256(hasher) => hasher.update(piece),
            Self::Sha512(hasher) => hasher.update(piece),
        }
    }

    /// The digest of all that has come, in hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Md5(hasher) => hasher.finish().md5.to_string(),
            Self::Sha256(hasher) => hex(&hasher.finalize()),
            Self::Sha512(hasher) => hex(&hasher.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_digested_as_one() {
        for (kind, start) in [
            (Kind::Md5, "900150983cd2"),
            (Kind::Sha256, "ba7816bf8f01"),
            (Kind::Sha512, "ddaf35a19361"),
        ] {
            let mut running = Running::new(kind);
            running.update(b"a");
            running.update(b"bc");
            assert!(running.finish().starts_with(start), "{kind:?}");
        }
    }
}
