//! Tokens of sessions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::{Digest as _, Sha256};

/// A new token: a random UUID of version 4.
///
/// # Panics
///
/// If the system has no random numbers.
pub fn random() -> String {
    // From the system: the generator of a thread goes on alike in forked processes.
    let mut bytes = [0; 16];
    SysRng.try_fill_bytes(&mut bytes).expect("the system has random numbers");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = crate::digest::hex(&bytes);
    let part = |from: usize, to: usize| &digits[from..to];
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// True for a UUID of version 4.
pub(super) fn is_sound(token: &str) -> bool {
    let parts: Vec<&str> = token.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && parts[2].starts_with('4')
        && matches!(parts[3].as_bytes()[0], b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
}

/// What is kept of a token.
pub(super) fn hash(token: &str) -> String {
    STANDARD.encode(Sha256::digest(token))
}

/// What tells one request from all others.
pub(super) fn receipt(parts: &[&str]) -> String {
    hash(&serde_json::json!(parts).to_string())
}

/// Compares two texts in a time that depends on their lengths only.
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |seen, (one, other)| seen | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_uuids() {
        let (one, other) = (random(), random());
        assert_ne!(one, other);
        assert!(is_sound(&one) && is_sound("11111111-1111-4111-8111-111111111111"));
        for bad in [
            "",
            "not-a-uuid",
            "11111111-1111-1111-8111-111111111111",
            "11111111-1111-4111-7111-111111111111",
            "11111111-1111-4111-8111-11111111111",
            "11111111-1111-4111-8111-11111111111é",
            "11111111-1111-4111-8111-111111111111-",
        ] {
            assert!(!is_sound(bad), "{bad}");
        }
    }

    #[test]
    fn texts_are_compared_whole() {
        assert!(is_equal(b"abc", b"abc") && is_equal(b"", b""));
        assert!(!is_equal(b"abc", b"abd") && !is_equal(b"abc", b"ab") && !is_equal(b"", b"a"));
    }
}
