//! The file where users keep a name and a password for each host: `~/.netrc`.

use crate::settings;
use std::collections::HashMap;
use std::iter::Peekable;
use std::path::PathBuf;
use std::str::Chars;

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Names and passwords by host, those for all others under [`Netrc::OTHERS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Netrc(HashMap<String, Login>);

/// A name and a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
}

impl Login {
    /// The one that is written in a URL.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (name, password) = (decoded(url.username()), decoded(url.password().unwrap_or("")));
        (!name.is_empty() || !password.is_empty()).then_some(Self { name, password })
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Login")
    }
}

impl Netrc {
    const OTHERS: &str = "default";

    /// What the user's file says now; nothing if there is none, or none that can be read.
    pub(super) fn read() -> Self {
        let content = location().and_then(|path| std::fs::read(path).ok());
        content.and_then(|text| parse(&String::from_utf8_lossy(&text))).unwrap_or_default()
    }

    /// The login for `host`; with `is_named`, only if the file names that host.
    pub(super) fn login(&self, host: &str, is_named: bool) -> Option<&Login> {
        // Hosts are written there without the brackets that URLs need.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let others = if is_named { None } else { self.0.get(Self::OTHERS) };
        let login = self.0.get(host).or(others)?;
        (!login.name.is_empty() || !login.password.is_empty()).then_some(login)
    }
}

/// The file that `NETRC` names, else the first of the usual ones that is there.
fn location() -> Option<PathBuf> {
    let home = std::env::home_dir();
    if let Some(named) = settings::shared("NETRC") {
        let named = PathBuf::from(named);
        return match (named.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(named),
        };
    }
    let home = home?;
    [".netrc", "_netrc"].map(|name| home.join(name)).into_iter().find(|path| path.exists())
}

/// `None` for what is no such file.
pub(super) fn parse(text: &str) -> Option<Netrc> {
    let mut words = Words(text.chars().peekable());
    let mut logins = HashMap::new();
    let mut keyword = words.keyword();
    while !keyword.is_empty() {
        let host = match keyword.as_str() {
            "machine" => words.word(),
            "default" => Netrc::OTHERS.to_owned(),
            "macdef" => {
                words.skip_macro()?;
                keyword = words.keyword();
                continue;
            }
            _ => return None,
        };
        if host.is_empty() {
            return None;
        }
        let (mut login, mut account) = (Login::default(), String::new());
        keyword = loop {
            let word = words.keyword();
            match word.as_str() {
                "" | "machine" | "default" | "macdef" => break word,
                "login" | "user" => login.name = words.word(),
                "account" => account = words.word(),
                "password" => login.password = words.word(),
                _ => return None,
            }
        };
        if login.name.is_empty() {
            login.name = account;
        }
        logins.insert(host, login);
    }
    Some(Netrc(logins))
}

/// Words between blanks; a backslash keeps the next letter, double quotes keep all but those.
struct Words<'a>(Peekable<Chars<'a>>);

impl Words<'_> {
    /// The next word, empty at the end.
    fn word(&mut self) -> String {
        let is_blank = |letter: &char| matches!(letter, ' ' | '\t' | '\r' | '\n');
        while self.0.next_if(is_blank).is_some() {}
        let is_quoted = self.0.next_if_eq(&'"').is_some();
        let mut word = String::new();
        while let Some(letter) = self.0.next_if(|letter| is_quoted || !is_blank(letter)) {
            match letter {
                '"' if is_quoted => break,
                '\\' => word.extend(self.0.next()),
                letter => word.push(letter),
            }
        }
        word
    }

    /// The next word that is no comment.
    fn keyword(&mut self) -> String {
        loop {
            let word = self.word();
            if !word.starts_with('#') {
                return word;
            }
            self.skip_line();
        }
    }

    /// True unless the text ended with the line, or before it.
    fn skip_line(&mut self) -> bool {
        self.0.any(|letter| letter == '\n')
    }

    /// A macro ends with an empty line.
    fn skip_macro(&mut self) -> Option<()> {
        loop {
            if !self.skip_line() {
                return None;
            }
            if self.0.next_if_eq(&'\n').is_some() {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str) -> Option<(String, String)> {
        let netrc = parse(text)?;
        netrc.login(host, false).map(|login| (login.name.clone(), login.password.clone()))
    }

    #[test]
    fn hosts_have_logins() {
        let text = "# mine\nmachine a.b login me password p#w # not theirs\n\
                    machine ::1\n\tuser \"two words\"\n\tpassword \\\"q\n\
                    macdef init\nmachine x login y password z\n\nmachine c account acc password p\n\
                    machine empty\nmachine a.c login one machine a.c login two password 2\n";
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        for (host, expected) in [
            ("a.b", pair("me", "p#w")),
            ("[::1]", pair("two words", "\"q")),
            ("c", pair("acc", "p")),
            ("a.c", pair("two", "2")),
            ("x", None),
            ("empty", None),
            ("b", None),
        ] {
            assert_eq!(login(text, host), expected, "{host}");
        }
        let others = format!("{text}default login anybody password hush");
        assert_eq!(login(&others, "b"), pair("anybody", "hush"));
        assert_eq!(parse(&others).unwrap().login("b", true), None);
        assert!(!format!("{:?}", parse(&others)).contains("hush"));
    }

    #[test]
    fn a_broken_file_says_nothing() {
        for text in ["machine a login b passwd c", "a", "machine", "macdef x\n y", "login a"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(""), Some(Netrc::default()));
        assert_eq!(parse("machine"), None);
    }
}
