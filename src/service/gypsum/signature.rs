//! Slugs, and URLs that allow to send one file for some time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::refusal::Refusal;
use crate::digest::hex;
use crate::registry::bucket::{VersionPath, is_equal};

/// What a slug names.
#[derive(Debug, Clone)]
pub(super) struct Slug {
    pub(super) version: VersionPath,
    pub(super) path: String,
    pub(super) md5sum: String,
}

impl Slug {
    /// Text that is safe in a URL.
    pub(super) fn encode(version: &VersionPath, path: &str, md5sum: &str) -> String {
        let parts = [
            version.project.as_str(),
            version.asset.as_str(),
            version.version.as_str(),
            path,
            md5sum,
        ];
        let text = serde_json::to_vec(&parts).expect("texts are JSON");
        URL_SAFE_NO_PAD.encode(text)
    }

    pub(super) fn decode(slug: &str) -> Result<Self, Refusal> {
        let bad = |why: String| {
            Refusal::new(
                400,
                format!("invalid slug ('{slug}') for the presigned URL endpoint; {why}"),
            )
        };
        let text = URL_SAFE_NO_PAD
            .decode(slug.trim_end_matches('='))
            .map_err(|error| bad(error.to_string()))?;
        let [project, asset, version, path, md5sum]: [String; 5] =
            serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        let version = VersionPath::parse(&project, &asset, &version)
            .map_err(|failure| bad(failure.reason))?;
        Ok(Self { version, path, md5sum })
    }
}

/// Signs URLs; its key is known to this process only.
pub(super) struct Signer {
    key: [u8; 32],
}

impl Signer {
    pub(super) fn new() -> Self {
        Self { key: rand::random() }
    }

    /// The signature of a URL for the session of that hash. The slug holds the digest.
    pub(super) fn sign(&self, slug: &str, expires: u64, session_hash: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("keys of any length do");
        mac.update(format!("{slug}\n{expires}\n{session_hash}").as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    pub(super) fn is_valid(
        &self,
        signature: &str,
        slug: &str,
        expires: u64,
        session_hash: &str,
    ) -> bool {
        let expected = self.sign(slug, expires, session_hash);
        is_equal(signature.as_bytes(), expected.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_in_urls_and_read_back() {
        let version = VersionPath::parse("p é", "a", "v").unwrap();
        for path in ["a", "qq?.txt", "日本/ü~>>>???", "\n\"\\"] {
            let slug = Slug::encode(&version, path, "00");
            assert!(slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            let read = Slug::decode(&slug).unwrap();
            assert_eq!((read.path.as_str(), read.md5sum.as_str()), (path, "00"));
            assert_eq!(read.version.project, version.project);
        }
        let foreign = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for slug in [
            "!!".to_owned(),
            String::new(),
            foreign("[]"),
            foreign(r#"["..","a","v","p","m"]"#),
            foreign(r#"["p","a","v","p",1]"#),
        ] {
            let reason = Slug::decode(&slug).unwrap_err().reason;
            assert!(reason.starts_with(&format!("invalid slug ('{slug}')")), "{reason}");
        }
    }

    #[test]
    fn every_part_is_signed() {
        let (signer, other) = (Signer::new(), Signer::new());
        let signature = signer.sign("slug", 7, "hash");
        assert!(signer.is_valid(&signature, "slug", 7, "hash"));
        assert!(!signer.is_valid(&signature, "slut", 7, "hash"));
        assert!(!signer.is_valid(&signature, "slug", 8, "hash"));
        assert!(!signer.is_valid(&signature, "slug", 7, "hush"));
        assert!(!signer.is_valid(&signature[1..], "slug", 7, "hash"));
        assert!(!other.is_valid(&signature, "slug", 7, "hash"));
    }
}
