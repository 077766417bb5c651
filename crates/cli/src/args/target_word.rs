//! The one word by which a target is named.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetWord {
    /// A process by its id.
    Process(u32),
    /// The one process of that name.
    Named(String),
    /// A core file or a capture: told apart by its first bytes.
    File(PathBuf),
    /// A pprof endpoint.
    Url(String),
    /// A recording that is part of this binary.
    Demo(String),
}

impl FromStr for TargetWord {
    type Err = String;

    fn from_str(word: &str) -> Result<TargetWord, String> {
        if word.is_empty() {
            return Err("name a PID, a file, a URL, name:PROCESS or demo:grpc".to_owned());
        }
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return word.parse().map(TargetWord::Process).map_err(|_| format!("{word} is no process id"));
        }
        if word.starts_with("http://") || word.starts_with("https://") {
            return Ok(TargetWord::Url(word.to_owned()));
        }
        Ok(match word.split_once(':') {
            Some(("name", name)) => TargetWord::Named(name.to_owned()),
            Some(("demo", case)) => TargetWord::Demo(case.to_owned()),
            _ => TargetWord::File(PathBuf::from(word)),
        })
    }
}

impl fmt::Display for TargetWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetWord::Process(pid) => write!(f, "{pid}"),
            TargetWord::Named(name) => write!(f, "name:{name}"),
            TargetWord::File(path) => write!(f, "{}", path.display()),
            TargetWord::Url(url) => f.write_str(url),
            TargetWord::Demo(case) => write!(f, "demo:{case}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_word_goes_there_and_back() {
        for (word, meant) in [
            ("4711", TargetWord::Process(4711)),
            ("name:orders", TargetWord::Named("orders".into())),
            ("core.4711", TargetWord::File("core.4711".into())),
            ("/tmp/a:b", TargetWord::File("/tmp/a:b".into())),
            ("http://h:6060", TargetWord::Url("http://h:6060".into())),
            ("demo:grpc", TargetWord::Demo("grpc".into())),
        ] {
            assert_eq!(word.parse(), Ok(meant.clone()));
            assert_eq!(meant.to_string(), word);
        }
        assert!("".parse::<TargetWord>().is_err());
        assert!("99999999999".parse::<TargetWord>().is_err());
    }
}
