//! Whose certificates are believed, read when the first `https` URL comes: plain HTTP needs none.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use reqwest::ClientBuilder;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::parallel::aside;
use crate::settings;
use crate::system::{Identity, Stat};
use crate::{Error, Result};

/// Variables that name certificates, the first one that is set wins.
const VARIABLES: [&str; 5] =
    ["SELENITE_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Whose certificates are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Those that the environment names, else the system's, else those of [`set_fallback`].
    #[default]
    Environment,
    /// Those of this file, or of the files in this folder.
    Bundle(PathBuf),
    /// Everybody's.
    Everybody,
}

/// Finds certificates, or tells what would have to be done for that.
type FindBundle = fn() -> Result<PathBuf, String>;

// Set once, when the host program starts: there is nothing that a fork could leave half done.
static FALLBACK: OnceLock<FindBundle> = OnceLock::new();

/// Tells where to find certificates on a machine that has none; asked at the first need of them.
pub fn set_fallback(find: FindBundle) {
    // Whoever comes second says the same.
    let _ = FALLBACK.set(find);
}

/// What servers show is compared with these certificates, once they are loaded.
#[derive(Debug)]
pub(super) struct Certificates {
    source: Source,
    provider: Arc<CryptoProvider>,
    loaded: OnceLock<Loaded>,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// What was asked for: by which name, where it is, and what is there.
    Named {
        name: &'static str,
        value: PathBuf,
        state: Vec<Option<State>>,
    },
    System,
    Everybody,
}

/// What changes with a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    identity: Identity,
    changed: (i64, i64),
}

impl Source {
    /// What `trust` and the environment ask for now.
    pub(super) fn now(trust: &Trust) -> Self {
        match trust {
            Trust::Environment => named_by_environment().unwrap_or(Self::System),
            Trust::Bundle(path) => Self::named("verify", path.clone()),
            Trust::Everybody => Self::Everybody,
        }
    }

    fn named(name: &'static str, value: PathBuf) -> Self {
        let state = paths(name, &value).iter().map(|path| State::of(path)).collect();
        Self::Named { name, value, state }
    }
}

impl State {
    fn of(path: &Path) -> Option<Self> {
        let status = std::fs::metadata(path).ok()?;
        let Stat { identity, changed, .. } = Stat::from(&status);
        Some(Self { identity, changed })
    }
}

#[derive(Debug)]
struct Loaded {
    verifier: Arc<dyn ServerCertVerifier>,
    /// Those that the user named.
    given: Vec<CertificateDer<'static>>,
}

impl Certificates {
    /// Those that come from `source`; nothing is read yet.
    pub(super) fn new(source: Source) -> Arc<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Arc::new(Self { source, provider, loaded: OnceLock::new() })
    }

    /// Makes a client believe in them.
    pub(super) fn with(self: &Arc<Self>, builder: ClientBuilder) -> ClientBuilder {
        if matches!(self.source, Source::Everybody) {
            return builder.tls_danger_accept_invalid_certs(true);
        }
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows all versions");
        let verifier = Arc::clone(self) as Arc<dyn ServerCertVerifier>;
        let config = config.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        builder.tls_backend_preconfigured(config)
    }

    /// Reads them unless that was done; what failed is tried again by the next call.
    pub(super) async fn load(self: &Arc<Self>) -> Result<()> {
        if matches!(self.source, Source::Everybody) || self.loaded.get().is_some() {
            return Ok(());
        }
        let own = Arc::clone(self);
        // Files are read, and the host program may be asked.
        aside(move || own.load_now()).await
    }

    fn load_now(&self) -> Result<()> {
        let loaded = match &self.source {
            Source::Named { name, value, .. } => self.bundle(name, value)?,
            Source::System | Source::Everybody => self.system()?,
        };
        // Whoever else loaded them has read the same.
        let _ = self.loaded.set(loaded);
        Ok(())
    }

    /// The system's, else those that the host program knows.
    fn system(&self) -> Result<Loaded> {
        let provider = Arc::clone(&self.provider);
        match rustls_platform_verifier::Verifier::new(provider) {
            Ok(verifier) => Ok(Loaded { verifier: Arc::new(verifier), given: Vec::new() }),
            Err(why) => self.fallback(&why, FALLBACK.get().map(|find| find())),
        }
    }

    fn fallback(
        &self,
        why: &rustls::Error,
        found: Option<Result<PathBuf, String>>,
    ) -> Result<Loaded> {
        let advice = match found {
            Some(Ok(path)) => return self.bundle("certificates", &path),
            Some(Err(advice)) => format!(", {advice},"),
            None => String::new(),
        };
        let reason = format!(
            "{why}; install them (`ca-certificates`){advice} or name a file of certificates"
        );
        Err(Error::invalid(VARIABLES[0], "", reason))
    }

    fn bundle(&self, name: &'static str, value: &Path) -> Result<Loaded> {
        let mut given = Vec::new();
        for path in paths(name, value) {
            for file in files(name, &path)? {
                let text = std::fs::read(&file).map_err(|error| unreadable(name, &file, error))?;
                for certificate in CertificateDer::pem_slice_iter(&text) {
                    given.push(certificate.map_err(|error| {
                        Error::invalid(name, file.to_string_lossy(), error.to_string())
                    })?);
                }
            }
        }
        let mut roots = RootCertStore::empty();
        // Bundles hold some that nobody can use any more.
        roots.add_parsable_certificates(given.iter().cloned());
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| {
                let why = "it holds no certificate in PEM form";
                Error::invalid(name, value.to_string_lossy(), why)
            })?;
        Ok(Loaded { verifier, given })
    }
}

impl ServerCertVerifier for Certificates {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(Loaded { verifier, given }) = self.loaded.get() else {
            return Err(rustls::Error::General("no certificates are loaded".into()));
        };
        match verifier.verify_server_cert(shown, intermediates, name, ocsp_response, now) {
            // Many a server shows a certificate that it signed itself, marked as that of an authority.
            // Whoever names this very one means it.
            Err(error) if is_authority(&error) && given.contains(shown) => {
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// True if nothing speaks against a server's certificate but that it is marked as an authority's: its
/// dates are looked at before.
fn is_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return false;
    };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn named_by_environment() -> Option<Source> {
    VARIABLES.into_iter().find_map(|name| {
        let value = settings::shared(name).filter(|value| !value.is_empty())?;
        Some(Source::named(name, value.into()))
    })
}

fn paths(name: &str, value: &Path) -> Vec<PathBuf> {
    // Only this variable holds a list.
    match name {
        "SSL_CERT_DIR" => std::env::split_paths(value).collect(),
        _ => vec![value.to_owned()],
    }
}

fn files(name: &'static str, path: &Path) -> Result<Vec<PathBuf>> {
    let status = std::fs::metadata(path).map_err(|error| unreadable(name, path, error))?;
    if !status.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let names = crate::fs::walk::entries(path)?.into_iter().map(|(name, _)| path.join(name));
    Ok(names.filter(|file| file.is_file()).collect())
}

/// The error of a file of certificates, with what named it.
fn unreadable(name: &'static str, path: &Path, source: std::io::Error) -> Error {
    let named = std::io::Error::new(source.kind(), Named { name, source });
    Error::Io { path: path.to_owned(), source: named }
}

/// A system error about what somebody named.
#[derive(Debug, thiserror::Error)]
#[error("{text} (named by {name})", text = crate::error::system_message(source))]
struct Named {
    name: &'static str,
    source: std::io::Error,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime;

    /// Signed by themselves, and marked as an authority's.
    const OWN: &str = "tests/vectors/certificates/own.pem";
    const OTHER: &str = "tests/vectors/certificates/other.pem";

    fn certificates(bundle: &str) -> Arc<Certificates> {
        Certificates::new(Source::now(&Trust::Bundle(bundle.into())))
    }

    fn loaded(bundle: &str) -> Arc<Certificates> {
        let certificates = certificates(bundle);
        runtime::current().unwrap().block_on(certificates.load()).unwrap();
        certificates
    }

    fn der(path: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(path).unwrap()
    }

    /// Whether a server of this name may show this certificate in the given year.
    fn is_believed(trusted: &Certificates, shown: &str, name: &str, year: u64) -> bool {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
        trusted.verify_server_cert(&der(shown), &[], &name, &[], now).is_ok()
    }

    #[test]
    fn a_certificate_that_was_named_itself_is_believed_where_it_holds() {
        let own = loaded(OWN);
        for name in ["localhost", "127.0.0.1"] {
            assert!(is_believed(&own, OWN, name, 2030), "{name}");
        }
        assert!(!is_believed(&own, OWN, "elsewhere", 2030));
        assert!(!is_believed(&own, OWN, "localhost", 2020));
        assert!(!is_believed(&own, OWN, "localhost", 2130));
        assert!(!is_believed(&own, OTHER, "localhost", 2030));
        let both = loaded("tests/vectors/certificates");
        assert!(is_believed(&both, OWN, "localhost", 2030));
        assert!(is_believed(&both, OTHER, "localhost", 2030));
    }

    #[test]
    fn nothing_is_believed_before_it_is_loaded() {
        assert!(!is_believed(&certificates(OWN), OWN, "localhost", 2030));
    }

    #[test]
    fn without_certificates_of_the_system_those_of_the_program_are_taken() {
        let why = rustls::Error::General("none".into());
        let certificates = certificates(OTHER);
        let found = certificates.fallback(&why, Some(Ok(OWN.into()))).unwrap();
        assert_eq!(found.given, [der(OWN)]);
        let told = |found| certificates.fallback(&why, found).unwrap_err().chain();
        let error = told(None);
        assert!(error.contains("none; install them (`ca-certificates`) or name"), "{error}");
        let error = told(Some(Err("ask somebody".into())));
        assert!(error.contains("(`ca-certificates`), ask somebody, or name"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_who_named_it() {
        let load = |bundle: &str| {
            runtime::current().unwrap().block_on(certificates(bundle).load()).unwrap_err()
        };
        let missing = load("/no/bundle.pem");
        let told = missing.chain();
        assert!(told.starts_with("/no/bundle.pem: no such file or directory (named by verify)"));
        assert_eq!(missing.errno(), Some(2));
        let empty = load("Cargo.toml").chain();
        assert!(empty.contains("invalid verify `Cargo.toml`"), "{empty}");
    }
}
