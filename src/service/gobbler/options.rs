//! The command line of the Gobbler service.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::lexical;
use super::spoofing::Spoofing;
use crate::error::IoContext;
use crate::relpath::clean_path;
use crate::system;
use crate::{Error, Result};

/// What `-help` prints.
pub const USAGE: &str = "\
Usage: gobbler -staging DIRECTORY -registry DIRECTORY [FLAG...]

  -staging DIRECTORY    where users put requests and uploads (required)
  -registry DIRECTORY   the registry (required)
  -admin USER,USER,...  administrators (default: nobody)
  -host ADDRESS         address to listen on (default 127.0.0.1)
  -port NUMBER          port to listen on, 0 for any free one (default 8080)
  -allow-host NAME,...  more names by which clients may call the service
  -prefix PATH          put before every endpoint, as /PATH
  -whitelist FILE       directories that links may point to, one absolute path per line
  -allow-root DIRECTORY where projects may be, too, if the registry has links to them; repeatable
  -spoof FILE           who may act as whom, lines SPOOFER:USER,USER,...
  -probation DAYS       reject probational versions after this time (default -1: never)
  -concurrency NUMBER   requests processed at a time (default 100)
  -insecure-staging     serve although others may rename what is in the staging directory
  -durable=false        answer before changes are safe from a power failure

Flags begin with one or two dashes; `-flag value` and `-flag=value` mean the same.
";

/// What stays as it is in the path of a URL.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// Most requests at a time: each has a thread.
const MOST_AT_A_TIME: usize = 10_000;

/// Settings of one Gobbler service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where users put requests and uploads, cleaned by its text.
    pub staging: PathBuf,
    /// The registry, cleaned by its text.
    pub registry: PathBuf,
    /// Users with all rights.
    pub administrators: Vec<String>,
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 means any free one.
    pub port: u16,
    /// Names of hosts that the service answers to, besides its own.
    pub hosts: Vec<String>,
    /// Put before every endpoint, escaped: empty, or `/` and at least one letter.
    pub prefix: String,
    /// Absolute directories outside of the registry that links may point to.
    pub whitelist: Vec<PathBuf>,
    /// Directories outside of the registry that its projects may be in.
    pub allow_roots: Vec<PathBuf>,
    /// Who may act as whom.
    pub spoofing: Spoofing,
    /// Age at which probational versions are rejected.
    pub probation: Option<Duration>,
    /// Requests processed at a time.
    pub concurrency: usize,
    /// Whether others than its owner may rename what is in the staging directory.
    pub insecure_staging: bool,
    /// Whether changes are safe from a power failure before they are answered.
    pub durable: bool,
}

/// Why a command line is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BadOptions {
    /// The usage was asked for.
    #[error("help requested")]
    Help,
    /// A flag that does not exist, or a value of the wrong type.
    #[error(transparent)]
    Syntax(Box<Error>),
    /// A required flag is missing.
    #[error(transparent)]
    Missing(Box<Error>),
    /// A value that cannot be used, or a file that cannot be read.
    #[error(transparent)]
    Unusable(Box<Error>),
}

impl BadOptions {
    /// Exit status of a command that was given this command line.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Help => 0,
            Self::Missing(_) | Self::Unusable(_) => 1,
            Self::Syntax(_) => 2,
        }
    }

    /// What the command prints.
    pub fn message(&self) -> String {
        match self {
            Self::Help => USAGE.to_owned(),
            Self::Missing(error) | Self::Syntax(error) => format!("{}\n\n{USAGE}", error.chain()),
            Self::Unusable(error) => format!("{}\n", error.chain()),
        }
    }

    /// The fault itself.
    pub fn into_error(self) -> Error {
        match self {
            Self::Help => Error::invalid("flag", "-help", "it only prints the usage"),
            Self::Syntax(error) | Self::Missing(error) | Self::Unusable(error) => *error,
        }
    }
}

impl Options {
    /// Reads a command line, and the files it names.
    ///
    /// 1. A flag is a word that begins with `-` or `--`. Its value follows after `=` or is the next
    ///    word, whatever that is; `-durable` alone means `-durable=true`, and so with
    ///    `-insecure-staging`.
    /// 2. The first word that is not a flag, or `--`, ends the flags; what follows is ignored.
    /// 3. Of several equal flags the last counts; `-allow-root` adds a directory each time.
    ///
    /// Whether the directories exist is looked at by [`super::serve`].
    pub fn parse(arguments: &[OsString]) -> Result<Self, BadOptions> {
        let mut staging = None;
        let mut registry = None;
        let mut whitelist = None;
        let mut spoofing = None;
        let mut allow_roots = Vec::new();
        let mut administrators = Vec::new();
        let mut host = "127.0.0.1".to_owned();
        let mut hosts = Vec::new();
        let mut port = 8080;
        let mut prefix = String::new();
        let mut probation = -1;
        let mut concurrency = 100;
        let mut insecure_staging = false;
        let mut durable = true;

        let mut words = Words { rest: arguments };
        while let Some(flag) = words.flag()? {
            match flag.name.as_str() {
                "staging" => staging = Some(words.path(&flag)?),
                "registry" => registry = Some(words.path(&flag)?),
                "whitelist" => whitelist = Some(words.path(&flag)?),
                "allow-root" => allow_roots.push(clean_path(&words.path(&flag)?)),
                "spoof" => spoofing = Some(words.path(&flag)?),
                "admin" => administrators = words.names(&flag)?,
                "allow-host" => hosts = words.names(&flag)?,
                "host" => host = words.text(&flag)?,
                "port" => port = words.integer(&flag)?,
                "prefix" => prefix = words.text(&flag)?,
                "probation" => probation = words.integer(&flag)?,
                "concurrency" => concurrency = words.integer(&flag)?,
                "insecure-staging" => insecure_staging = flag.boolean()?,
                "durable" => durable = flag.boolean()?,
                "help" | "h" => return Err(BadOptions::Help),
                _ => {
                    let why = "there is no such flag";
                    return Err(syntax("flag", flag.word(), why));
                }
            }
        }

        let required = |name, path: Option<PathBuf>| {
            let path = path.filter(|path| !path.as_os_str().is_empty()).ok_or_else(|| {
                BadOptions::Missing(Error::invalid(name, "", "it is required").into())
            })?;
            // Answers and notes of the registry are text, and name it.
            if path.to_str().is_none() {
                let why = "it is not valid UTF-8; rename the directory";
                let error = Error::invalid(name, path.to_string_lossy(), why);
                return Err(BadOptions::Unusable(error.into()));
            }
            Ok(clean_path(&path))
        };
        let unusable = |flag, value: i64, why: &str| {
            BadOptions::Unusable(Error::invalid(flag, value.to_string(), why).into())
        };
        let read = |file: Option<PathBuf>| file.filter(|file| !file.as_os_str().is_empty());
        Ok(Self {
            staging: required("-staging", staging)?,
            registry: required("-registry", registry).and_then(|path| {
                // Links from another disk to the registry cannot be relative.
                if allow_roots.is_empty() {
                    return Ok(path);
                }
                std::path::absolute(&path)
                    .at(&path)
                    .map_err(|error| BadOptions::Unusable(error.into()))
            })?,
            allow_roots,
            administrators,
            host,
            hosts,
            port: u16::try_from(port)
                .map_err(|_| unusable("-port", port, "give a number from 0 to 65535"))?,
            prefix: match &*lexical::clean_url(prefix.trim_matches('/')) {
                "/" => String::new(),
                path => utf8_percent_encode(path, ESCAPED).to_string(),
            },
            whitelist: read(whitelist)
                .map_or(Ok(Vec::new()), |file| read_whitelist(&file))
                .map_err(|error| BadOptions::Unusable(error.into()))?,
            spoofing: read(spoofing)
                .map_or(Ok(Spoofing::default()), |file| Spoofing::read(&file))
                .map_err(|error| BadOptions::Unusable(error.into()))?,
            probation: u64::try_from(probation)
                .ok()
                .map(|days| Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
            concurrency: usize::try_from(concurrency)
                .ok()
                .filter(|count| (1..=MOST_AT_A_TIME).contains(count))
                .ok_or_else(|| {
                    unusable("-concurrency", concurrency, "give a number from 1 to 10000")
                })?,
            insecure_staging,
            durable,
        })
    }
}

fn read_whitelist(file: &Path) -> Result<Vec<PathBuf>> {
    let text = std::fs::read(file).at(file)?;
    parse_whitelist(&text).map_err(|line| {
        let content = text.split(|byte| *byte == b'\n').nth(line - 1).unwrap_or_default();
        let why = format!("expected an absolute path of a directory, in {}:{line}", file.display());
        Error::invalid("line in the whitelist", String::from_utf8_lossy(content), why)
    })
}

/// Directories, one per line, cleaned; blank lines and lines that begin with `#` are ignored.
fn parse_whitelist(text: &[u8]) -> Result<Vec<PathBuf>, usize> {
    let mut directories = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let directory = clean_path(Path::new(system::text(line)));
        if !directory.is_absolute() {
            return Err(index + 1);
        }
        directories.push(directory);
    }
    Ok(directories)
}

fn syntax(argument: &'static str, value: impl Into<String>, why: impl Into<String>) -> BadOptions {
    BadOptions::Syntax(Error::invalid(argument, value, why).into())
}

/// The words of a command line that are still to be read.
struct Words<'a> {
    rest: &'a [OsString],
}

struct Flag<'a> {
    name: String,
    value: Option<&'a OsStr>,
}

impl<'a> Words<'a> {
    fn flag(&mut self) -> Result<Option<Flag<'a>>, BadOptions> {
        let Some((word, rest)) = self.rest.split_first() else { return Ok(None) };
        let bytes = word.as_encoded_bytes();
        let body = match bytes {
            b"--" => return Ok(None),
            [b'-', b'-', body @ ..] | [b'-', body @ ..] if !body.is_empty() => body,
            _ => return Ok(None),
        };
        if matches!(body[0], b'-' | b'=') {
            let why = "a name is expected after one or two dashes";
            return Err(syntax("flag", word.to_string_lossy(), why));
        }
        self.rest = rest;
        let (name, value) = match body.iter().position(|byte| *byte == b'=') {
            Some(at) => (&body[..at], Some(system::text(&body[at + 1..]))),
            None => (body, None),
        };
        Ok(Some(Flag { name: String::from_utf8_lossy(name).into_owned(), value }))
    }

    fn value(&mut self, flag: &Flag<'a>) -> Result<&'a OsStr, BadOptions> {
        if let Some(value) = flag.value {
            return Ok(value);
        }
        let (value, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| syntax("flag", flag.word(), "it needs a value"))?;
        self.rest = rest;
        Ok(value)
    }

    fn path(&mut self, flag: &Flag<'a>) -> Result<PathBuf, BadOptions> {
        self.value(flag).map(PathBuf::from)
    }

    fn text(&mut self, flag: &Flag<'a>) -> Result<String, BadOptions> {
        let value = self.value(flag)?;
        value.to_str().map(str::to_owned).ok_or_else(|| {
            let why = format!("the value of {} is not UTF-8", flag.word());
            syntax("value", value.to_string_lossy(), why)
        })
    }

    /// Names that are separated by commas.
    fn names(&mut self, flag: &Flag<'a>) -> Result<Vec<String>, BadOptions> {
        let text = self.text(flag)?;
        Ok(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    fn integer(&mut self, flag: &Flag<'a>) -> Result<i64, BadOptions> {
        let word = flag.word();
        let text = self.text(flag)?;
        integer(&text).ok_or_else(|| syntax("value", text, format!("{word} takes a number")))
    }
}

impl Flag<'_> {
    fn word(&self) -> String {
        format!("-{}", self.name)
    }

    fn boolean(&self) -> Result<bool, BadOptions> {
        match self.value.map(OsStr::as_encoded_bytes) {
            None | Some(b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True") => Ok(true),
            Some(b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False") => Ok(false),
            Some(other) => Err(syntax(
                "value",
                String::from_utf8_lossy(other),
                format!("{} takes true or false", self.word()),
            )),
        }
    }
}

/// A number with an optional sign, in base 10 or with a `0x`, `0o`, `0` or `0b` in front.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", &text[1..]),
        [b'+', ..] => ("", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| i64::from_str_radix(&format!("{sign}{digits}"), base).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, BadOptions> {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        Options::parse(&words)
    }

    #[test]
    fn directories_must_be_text() {
        let strange = system::text(b"/\xff").to_owned();
        let arguments = ["-staging".into(), strange, "-registry".into(), "/r".into()];
        let refused = Options::parse(&arguments).unwrap_err();
        assert_eq!(refused.exit_code(), 1);
        assert!(refused.message().contains("not valid UTF-8"));
    }

    #[test]
    fn all_spellings_of_a_flag_are_equal() {
        let plain = parse("-staging /s -registry /r -port 1 -durable=false").unwrap();
        for line in [
            "--staging /s --registry /r --port 1 --durable=false",
            "-staging=/s --registry=/r -port=0x1 -durable=F",
            "-port 9 -staging /x -staging /s -registry /r -port 01 -durable=0",
            "-staging /s/../s/ -registry //r -port +1 -durable=FALSE word -port 7",
            "-staging /s -registry /r -port 1 -durable=false -- -port 7",
            "-staging /s -registry /r -port 1 -durable=false - -port 7",
        ] {
            assert_eq!(parse(line).unwrap(), plain, "{line}");
        }
        assert_eq!((plain.port, plain.durable), (1, false));
    }

    #[test]
    fn defaults() {
        let options = parse("-registry r/./x -staging ../s").unwrap();
        assert_eq!(options.registry, Path::new("r/x"));
        assert_eq!(options.staging, Path::new("../s"));
        assert_eq!((options.host.as_str(), options.port), ("127.0.0.1", 8080));
        assert_eq!((options.concurrency, options.probation), (100, None));
        assert!(options.administrators.is_empty() && options.prefix.is_empty() && options.durable);
    }

    #[test]
    fn values() {
        let more = |flags: &str| parse(&format!("-staging s -registry r {flags}")).unwrap();
        assert_eq!(more("-admin a,b").administrators, ["a", "b"]);
        assert_eq!(more("-admin=").administrators, [""; 0]);
        assert_eq!(more("-probation 0").probation, Some(Duration::ZERO));
        assert_eq!(more("-probation -3").probation, None);
        assert_eq!(more("-prefix foo").prefix, "/foo");
        assert_eq!(more("-prefix /a//b%/").prefix, "/a/b%25");
        assert_eq!(more("-prefix ..").prefix, "");
        assert!(more("-durable").durable);
        assert_eq!(more("-host -port").host, "-port");
    }

    #[test]
    fn bad_lines_have_the_right_exit_code() {
        for (line, code) in [
            ("-h", 0),
            ("--help", 0),
            ("", 1),
            ("-staging s", 1),
            ("word -staging s -registry r", 1),
            ("-staging s -registry r -port 70000", 1),
            ("-staging s -registry r -port -1", 1),
            ("-staging s -registry r -concurrency 0", 1),
            ("-staging s -registry r -whitelist /no/such/file", 1),
            ("-staging s -registry r -x", 2),
            ("-staging s -registry r -port", 2),
            ("-staging s -registry r -port eight", 2),
            ("-staging s -registry r -port 08", 2),
            ("-staging s -registry r -port --1", 2),
            ("-staging s -registry r -durable=maybe", 2),
            ("---staging s", 2),
            ("-=s", 2),
        ] {
            let bad = parse(line).unwrap_err();
            assert_eq!(bad.exit_code(), code, "{line}");
            assert!(bad.message().ends_with('\n'));
        }
        assert_eq!(
            parse("-staging s -spoofs f").unwrap_err().into_error().to_string(),
            "invalid flag `-spoofs`: there is no such flag"
        );
    }

    #[test]
    fn whitelists_hold_absolute_directories() {
        assert_eq!(
            parse_whitelist(b"# data\n\n/a/../b/\r\n/c\n").unwrap(),
            [Path::new("/b"), Path::new("/c")]
        );
        assert_eq!(parse_whitelist(b"/a\nb\n"), Err(2));
        assert_eq!(parse_whitelist(b" /a"), Err(1));
    }
}
